"""Secrets leave the input before a policy sees it: what is stored and replayed is what was evaluated."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MASKED = "[secret]"
PULUMI_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks values of a kind of their own; see its SDKs."""
PULUMI_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  # the mark of a secret, not one

SECRET_NAMES = (
    *(
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "secret",
        "secretstring",
        "secretvalue",
        "token",
        "privatekey",
        "apikey",
        "accesskey",
        "secretkey",
    ),
    *("signingkey", "encryptionkey", "connectionstring", "credential", "credentials", "authorization"),
)
"""How the names of fields end that hold secrets, whatever is written before (``DB_PASSWORD``, ``adminPassword``)."""
_JOINTS = str.maketrans("", "", "_-. ")
# A job's permission that is called like a secret (id-token: write), and what it may be.
_PERMISSION, _PERMISSIONS = "idtoken", ("read", "write", "none")
_OWN_TOKEN = re.compile(r"slw_[A-Za-z0-9_-]+")
# A password may hold what separates parts of an address, so it goes on to the last @; a port and a path are none.
# It holds no other address, and its length is bounded, so that time grows with the text alone.
_IN_ADDRESS = re.compile(
    r"(://[^/\s:@\"'<>]*:)(?!\d+(?:[/?#\s]|$))(?:(?!://)[^\s\"'<>]){1,500}(@[A-Za-z0-9\[][^\s@\"'<>]*)"
)
_IN_HEADER = re.compile(r"(?i)\b(bearer|basic|(?<=authorization: )token)\s+[A-Za-z0-9._~+/=-]{8,}")


def mask(document: Any, masks: Iterable[str] = ()) -> Any:
    """Return the document with every secret replaced by ``[secret]``.

    A mask is a JSON pointer whose segments may be ``*`` (any one) or ``**`` (any number). Wherever they stand, these
    are masked too: fields whose names end like a secret's, the ``value`` beside such a ``name`` or ``key``, what Pulumi
    marks as secret, and inside of texts Slipway's own tokens, passwords in addresses and the credentials of headers.
    """
    return _mask(document, [_segments(each) for each in masks])


def _mask(value: Any, patterns: Sequence[Sequence[str]]) -> Any:
    if isinstance(value, Mapping):
        if value.get(PULUMI_SIGNATURE) == PULUMI_SECRET:
            return MASKED
        named = any(isinstance(one, str) and _is_secret(one) for one in (value.get("name"), value.get("key")))
        return {
            name: MASKED if named and name == "value" and _holds(item) else _inner(item, name, patterns)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_inner(item, str(index), patterns) for index, item in enumerate(value)]
    return _cleared(value) if isinstance(value, str) else value


def _cleared(text: str) -> str:
    text = _OWN_TOKEN.sub(MASKED, text)
    text = _IN_ADDRESS.sub(rf"\g<1>{MASKED}\g<2>", text)
    return _IN_HEADER.sub(rf"\g<1> {MASKED}", text)


def _is_secret(name: str, value: Any = None) -> bool:
    plain = name.casefold().translate(_JOINTS)
    return plain.endswith(SECRET_NAMES) and not (plain == _PERMISSION and value in _PERMISSIONS)


def _holds(value: Any) -> bool:
    return value not in (None, "", [], {}) and not isinstance(value, bool)


def _inner(value: Any, name: str, patterns: Sequence[Sequence[str]]) -> Any:
    following = [rest for pattern in patterns for rest in _advance(pattern, name)]
    if _holds(value) and (_is_secret(name, value) or any(not rest for rest in following)):
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
