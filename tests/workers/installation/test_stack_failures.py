"""What is kept and said of a stack whose engine failed: no secret, and not that it is well where nobody knows."""

from contextlib import nullcontext
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from workers.engine import EngineError, ErrorKind
from workers.installers import InstallRefusedError, stack
from workers.installers.previewing import concealed, concealed_in, previewed

SECRETS = ("hunter2", "hunter2-and-more")


class Engine:
    """Fails at whatever it is asked."""

    def __init__(self, kind: ErrorKind) -> None:
        self._kind = kind

    def preview(self, *_: Any, **__: Any) -> Any:
        """Fail, and repeat secrets."""
        raise EngineError(self._kind, "ValueError: hunter2-and-more is no token", resource="thing-hunter2")

    recover = up = destroy = preview


class Stacks:
    """Stands for the service of stacks, and keeps what it was told."""

    told: list[bool]

    def __init__(self, session: list[bool]) -> None:
        self.told = session

    def mark_changing(self, lease: object) -> None:
        """Take it."""

    def mark_failed(self, lease: object, *, interrupted: bool) -> None:  # noqa: ARG002
        """Keep whether somebody has to look first."""
        self.told.append(interrupted)


def bench(kind: ErrorKind, told: list[bool]) -> Any:
    """Return a bench whose engine fails."""
    return SimpleNamespace(
        engine=lambda: Engine(kind),
        settings=SimpleNamespace(install_preview_seconds=1.0, policy_masks=()),
        session=lambda: nullcontext(told),
        should_stop=lambda: False,
    )


@pytest.mark.parametrize(
    ("operation", "kind", "interrupted"),
    [
        ("recover", ErrorKind.FAILED, True),
        ("recover", ErrorKind.TIMEOUT, True),
        ("up", ErrorKind.FAILED, False),
        ("up", ErrorKind.TIMEOUT, True),
        ("destroy", ErrorKind.FAILED, False),
    ],
)
def test_what_could_not_be_recovered_stays_unknown(
    operation: str, kind: ErrorKind, monkeypatch: pytest.MonkeyPatch, *, interrupted: bool
) -> None:
    monkeypatch.setattr(stack, "MultiCloudProvisioningService", Stacks)
    told: list[bool] = []
    hand: Any = SimpleNamespace(lease=None, lost=Event())
    request: Any = None
    with pytest.raises(stack.StackFailedError) as failed:
        stack.operate(bench(kind, told), hand, operation, request, SECRETS)
    assert told == [interrupted]
    assert str(failed.value) == "The engine stopped (thing-[secret]): ValueError: [secret] is no token."


def test_previews_repeat_no_secret() -> None:
    request: Any = None
    with pytest.raises(InstallRefusedError) as refused:
        previewed(bench(ErrorKind.FAILED, []), request, secrets=iter(SECRETS))
    assert str(refused.value) == "The engine would refuse this (thing-[secret]): ValueError: [secret] is no token."
    kept = previewed(bench(ErrorKind.TIMEOUT, []), request, secrets=iter(SECRETS))
    assert kept == {"problem": "The engine could not look ahead (thing-[secret]): ValueError: [secret] is no token."}


def test_longer_secrets_are_masked_first_and_anywhere() -> None:
    assert concealed("a hunter2-and-more, hunter2", ("", *SECRETS)) == "a [secret], [secret]"
    value = {"a": ["x-hunter2", 3, None], "b": {"c": "hunter2-and-more"}}
    assert concealed_in(value, SECRETS) == {"a": ["x-[secret]", 3, None], "b": {"c": "[secret]"}}
