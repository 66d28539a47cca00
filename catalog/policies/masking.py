"""Secrets leave the input before a policy sees it: what is stored and replayed is what was evaluated."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MASKED = "[secret]"
PULUMI_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks values of a kind of their own; see its SDKs."""
PULUMI_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  # the mark of a secret, not one

DEFAULT_MASKS = tuple(
    f"/**/{name}"
    for name in (
        *("password", "passphrase", "secret", "token", "private_key", "privateKey", "client_secret", "clientSecret"),
        *("api_key", "apiKey", "access_key", "accessKey", "secret_key", "secretKey", "connection_string"),
        *("connectionString", "credentials", "authorization"),
    )
)
"""What is masked wherever it stands: fields that are called like this hold secrets."""


def mask(document: Any, masks: Iterable[str] = ()) -> Any:
    """Return the document with every secret replaced by ``[secret]``.

    A mask is a JSON pointer whose segments may be ``*`` (any one) or ``**`` (any number). Values that Pulumi marks as
    secret are masked wherever they stand, and so are Slipway's own tokens.
    """
    patterns = [_segments(each) for each in (*DEFAULT_MASKS, *masks)]
    return _mask(document, patterns)


def _mask(value: Any, patterns: Sequence[Sequence[str]]) -> Any:
    if isinstance(value, Mapping):
        if value.get(PULUMI_SIGNATURE) == PULUMI_SECRET:
            return MASKED
        return {name: _inner(item, name, patterns) for name, item in value.items()}
    if isinstance(value, list):
        return [_inner(item, str(index), patterns) for index, item in enumerate(value)]
    if isinstance(value, str) and value.startswith("slw_"):
        return MASKED
    return value


def _inner(value: Any, name: str, patterns: Sequence[Sequence[str]]) -> Any:
    following = [rest for pattern in patterns for rest in _advance(pattern, name)]
    if any(not rest for rest in following) and value not in (None, "", [], {}) and not isinstance(value, bool):
        return MASKED
    return _mask(value, [rest for rest in following if rest])


def _advance(pattern: Sequence[str], name: str) -> list[Sequence[str]]:
    """Return what is left of a pattern below ``name``; nothing where it does not fit."""
    if not pattern:
        return []
    if pattern[0] == "**":
        return [pattern, *_advance(pattern[1:], name)]
    return [pattern[1:]] if pattern[0] in {"*", name} else []


def _segments(pointer: str) -> tuple[str, ...]:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.lstrip("/").split("/"))
