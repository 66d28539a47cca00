"""UUIDs and URIs."""

import re
import uuid
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from catalog.policies.engine.builtins.calls import UNDEFINED, BuiltinError, Recorded, Table, into
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.values import as_json_text

FUNCTIONS: Table = {}

_HEX = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_GREGORIAN = 0x01B21DD213814000
_DOMAINS = ("Person", "Group", "Org")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNESCAPED = "$&+,/:;=@-_.~"
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"\x80-\U0010ffff%]*")


@into(FUNCTIONS, "uuid.rfc4122", recorded=True)
def rfc4122(recorded: Recorded, key: Any) -> str:
    """Return a UUID of version 4 that is the same for the same key, and when the evaluation is repeated."""
    return str(uuid.UUID(bytes=recorded.drawn("uuid.rfc4122", as_json_text(key))[:16], version=4))


@into(FUNCTIONS, "uuid.parse")
def parse(value: Any) -> Any:
    """Return what a UUID says; undefined for a text that is none."""
    digits = string(value)
    if digits[:9].lower() == "urn:uuid:" and len(digits) == 45:
        digits = digits[9:]
    elif len(digits) == 38:
        digits = digits[1:-1]
    if re.fullmatch(r"[0-9a-fA-F]{32}", digits) is None and _HEX.fullmatch(digits) is None:
        return UNDEFINED
    parsed = uuid.UUID(digits)
    version = parsed.bytes[6] >> 4
    found: dict[str, Any] = {"version": version, "variant": _variant(parsed.bytes[8])}
    if version in (1, 2):
        node = parsed.bytes[10:]
        found["time"] = (parsed.time - _GREGORIAN) * 100
        found["nodeid"] = "-".join(f"{byte:02x}" for byte in node)
        found["macvariables"] = _mac(node[0])
        found["clocksequence"] = int.from_bytes(parsed.bytes[8:10]) & 0x3FFF
    if version == 2:
        found["id"] = parsed.time_low
        domain = parsed.bytes[9]
        found["domain"] = _DOMAINS[domain] if domain < 3 else f"Domain{domain}"
    return found


def _variant(byte: int) -> str:
    if byte & 0xC0 == 0x80:
        return "RFC4122"
    if byte & 0xE0 == 0xC0:
        return "Microsoft"
    return "Future" if byte & 0xE0 == 0xE0 else "Reserved"


def _mac(byte: int) -> str:
    return ("global:unicast", "global:multicast", "local:unicast", "local:multicast")[byte & 0b11]


@into(FUNCTIONS, "uri.is_valid")
def uri_is_valid(value: Any) -> bool:
    """Tell whether the value is a URI or a relative reference, and not empty."""
    if not isinstance(value, str) or not value:
        return False
    try:
        uri_parse(value)
    except BuiltinError:
        return False
    return True


@into(FUNCTIONS, "uri.parse")
def uri_parse(value: Any) -> dict[Any, Any]:
    """Return scheme, hostname, port, path, raw_path, raw_query and fragment, those that are there."""
    given = string(value)
    if _CONTROL.search(given):
        raise BuiltinError(f'parse "{given}": invalid control character in URL')
    rest, _, fragment = given.partition("#")
    found: dict[Any, Any] = {}
    if rest != "*":
        rest = _scheme(rest, found)
    rest, _, query = rest.partition("?")
    opaque = "scheme" in found and not rest.startswith("/")
    if not opaque:
        if "scheme" not in found and not rest.startswith("/") and ":" in rest.partition("/")[0]:
            raise BuiltinError(f'parse "{given}": first path segment in URL cannot contain colon')
        if rest.startswith("//") and ("scheme" in found or not rest.startswith("///")):
            authority, slash, path = rest[2:].partition("/")
            _authority(authority, found, given)
            rest = slash + path
        if rest:
            path = found["path"] = _decoded(rest, given)
            # Go keeps the text of a path only where it is not the usual one for that path.
            found["raw_path"] = path if quote(path, safe=_UNESCAPED) == rest else rest
    if query:
        found["raw_query"] = query
    if fragment:
        found["fragment"] = _decoded(fragment, given)
    return found


def _scheme(rest: str, found: dict[Any, Any]) -> str:
    match = _SCHEME.match(rest)
    if match:
        found["scheme"] = match[1].lower()
        return rest[match.end() :]
    if rest.startswith(":"):
        raise BuiltinError(f'parse "{rest}": missing protocol scheme')
    return rest


def _authority(authority: str, found: dict[Any, Any], given: str) -> None:
    user, at, host = authority.rpartition("@")
    if at and re.search(r"[^A-Za-z0-9\-._~!$&'()*+,;=:%@]", user):
        raise BuiltinError(f'parse "{given}": net/url: invalid userinfo')
    port = ""
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            raise BuiltinError(f"parse \"{given}\": missing ']' in host")
        colon, port = host[end + 1 : end + 2], host[end + 2 :]
        name = host[1:end]
        wrong = colon not in ("", ":")
    else:
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "")
        wrong = ":" in name
    if wrong or (port and not (port.isascii() and port.isdigit())):
        raise BuiltinError(f'parse "{given}": invalid port after host')
    if _HOST.fullmatch(name) is None or re.search(r"%(?!25|[89a-fA-F])", name) or re.search(r"[ <>\"]", name):
        raise BuiltinError(f'parse "{given}": invalid character in host name')
    if name:
        found["hostname"] = _decoded(name, given)
    if port:
        found["port"] = port


def _decoded(value: str, given: str) -> str:
    if _BAD_ESCAPE.search(value):
        raise BuiltinError(f'parse "{given}": invalid URL escape')
    return unquote_to_bytes(value).decode("utf-8", "replace")
