"""``slipway env logs --follow``: what is written is told once, through streams that break off, until the end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any, cast

import pytest

from catalog.providers.scm.local_git import demo_repositories
from catalog.settings import Settings, inherited_environment
from portal.cli import environment_logs
from portal.cli.client import Client
from portal.cli.environment_logs import _after, _Followed
from portal.cli.errors import CommandError, ProblemError, UnreachableError
from portal.cli.output import Output
from portal.cli.sample_repository import ensure_sample_repository
from portal.cli.sse import ServerEvent


class Streams:
    """Stands for a portal whose streams break off: each is a list of events, and says where it was taken up."""

    def __init__(self, *streams: list[ServerEvent]) -> None:
        self.streams = list(streams)
        self.taken_up: list[str] = []

    @contextmanager
    def events(self, _path: str, last_id: str) -> Iterator[Iterator[ServerEvent]]:
        self.taken_up.append(last_id)
        stream = self.streams.pop(0)
        yield iter(stream)
        if stream[-1].type != "end":
            raise UnreachableError("The stream broke off.")


def log(component: str, *lines: str, place: str = "", whole: bool = False) -> ServerEvent:
    said = {"component": component, "lines": list(lines), **({"whole": True} if whole else {})}
    return ServerEvent("log", json.dumps(said), place)


END = ServerEvent("end", '{"phase": "destroyed"}', "")


def told(
    capsys: pytest.CaptureFixture[str],
    streams: Streams,
    component: str | None = None,
    lines: int = 2,
    *,
    as_json: bool = False,
) -> list[str]:
    client = cast("Client", streams)
    _Followed(client, "/environments/1/logs", Output(as_json=as_json), component, lines).to_the_end()
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take streams up again at once."""
    monkeypatch.setattr(environment_logs, "_PAUSE_SECONDS", 0.0)


def test_a_stream_that_breaks_off_is_taken_up_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    first = [log("web", "one", "two", "three", place="1"), log("jobs", "begun", place="2")]
    streams = Streams(first, [log("web", "four", place="3"), END])
    assert told(capsys, streams) == ["web: two", "web: three", "jobs: begun", "web: four"]
    assert streams.taken_up == ["", "2"]


class Gone(Streams):
    """Is away before it answers the streams: says so with ``errors``, of which each takes a while."""

    def __init__(self, clock: list[float], errors: list[CommandError], *streams: list[ServerEvent]) -> None:
        super().__init__(*streams)
        self.clock = clock
        self.errors = errors

    @contextmanager
    def events(self, path: str, last_id: str) -> Iterator[Iterator[ServerEvent]]:
        if self.taken_up and self.errors:
            self.clock[0] += 25.0
            raise self.errors.pop(0)
        with super().events(path, last_id) as events:
            yield self.slowly(events)

    def slowly(self, events: Iterator[ServerEvent]) -> Iterator[ServerEvent]:
        for event in events:
            self.clock[0] += 3600.0  # nothing was written for an hour
            yield event
        self.clock[0] += 3600.0


AWAY: list[CommandError] = [ProblemError(503, {}), UnreachableError("It does not answer.")]


@pytest.mark.parametrize(
    ("errors", "end"), [(AWAY, None), (AWAY * 2, AWAY[0]), ([refused := ProblemError(404, {})], refused)]
)
def test_only_a_minute_without_an_answer_is_too_long(
    errors: list[CommandError],
    end: CommandError | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(environment_logs, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda _: None))
    streams = Gone(clock, list(errors), [log("web", "one", place="1")], [log("web", "two", place="2"), END])
    if end is None:
        assert told(capsys, streams) == ["web: one", "web: two"]
        return
    with pytest.raises(CommandError) as failed:
        told(capsys, streams)
    assert failed.value is end


def test_one_component_is_told_without_its_name_and_programs_get_objects(capsys: pytest.CaptureFixture[str]) -> None:
    events = [log("web", "one"), log("jobs", "begun"), END]
    assert told(capsys, Streams(events), "jobs") == ["begun"]
    assert [json.loads(each) for each in told(capsys, Streams(events), as_json=True)] == [
        {"component": "web", "lines": ["one"]},
        {"component": "jobs", "lines": ["begun"]},
    ]


def test_where_only_the_ends_are_known_nothing_is_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    ends = [log("web", "a", "b", whole=True), log("web", "b", "c", whole=True), log("web", "b", "c", whole=True), END]
    assert told(capsys, Streams(ends)) == ["web: a", "web: b", "web: c"]
    assert _after(["a", "b"], ["x", "y"]) == ["x", "y"]


def test_following_what_is_gone_ends_at_once(
    slipway: Callable[..., CompletedProcess[str]], signed_in: dict[str, str], blueprint: Path, settings: Settings
) -> None:
    folder = ensure_sample_repository(demo_repositories(settings), inherited_environment()["PATH"])[0]
    wanted = ("--repo", str(folder), "--pr", "42", "--blueprint", f"acme/{blueprint.name}", "--json")
    made: dict[str, Any] = json.loads(slipway("env", "request", *wanted, env=signed_in).stdout)
    assert slipway("env", "destroy", made["id"], env=signed_in).returncode == 0
    followed = slipway("env", "logs", made["id"], "--follow", env=signed_in)
    assert (followed.returncode, followed.stdout, followed.stderr) == (0, "", "")
