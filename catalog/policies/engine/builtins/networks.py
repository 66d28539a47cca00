"""Functions on addresses: ranges of IP addresses, the parts of a URI, and the escapes of queries."""

import ipaddress
import re
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from catalog.policies.engine.builtins.calls import BuiltinError, Table, into, mapping, type_name
from catalog.policies.engine.builtins.calls import text as string
from catalog.policies.engine.values import RegoSet, entries

FUNCTIONS: Table = {}

_MOST_ADDRESSES = 65_536
_MOST_PAIRS = 100_000
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@into(FUNCTIONS, "net.cidr_is_valid")
def cidr_is_valid(value: Any) -> bool:
    """Tell whether the value is an address and the length of its prefix."""
    return isinstance(value, str) and _cidr(value) is not None


@into(FUNCTIONS, "net.cidr_contains_matches", weight=20)
def cidr_contains_matches(ranges: Any, parts: Any) -> RegoSet:
    """Return the pairs of keys for which the range contains the address or range."""
    left, right = _candidates(ranges, 1), _candidates(parts, 2)
    if len(left) * len(right) > _MOST_PAIRS:
        raise BuiltinError("there are too many ranges to compare")
    networks = [(_network(value), key) for value, key in left]
    others = [(_range(value), key) for value, key in right]
    return RegoSet(
        [key, other_key] for network, key in networks for other, other_key in others if _contains(network, other)
    )


@into(FUNCTIONS, "net.cidr_expand", weight=1000)
def cidr_expand(value: Any) -> RegoSet:
    """Return every address of a range."""
    network = _network(string(value))
    if network.num_addresses > _MOST_ADDRESSES:
        raise BuiltinError("the range has too many addresses")
    return RegoSet(str(address) for address in network)


@into(FUNCTIONS, "net.cidr_merge", weight=20)
def cidr_merge(values: Any) -> RegoSet:
    """Return the fewest ranges that hold the same addresses."""
    if not isinstance(values, list | RegoSet):
        raise BuiltinError("operand must be an array")
    fours: list[ipaddress.IPv4Network] = []
    sixes: list[ipaddress.IPv6Network] = []
    for value in values:
        if not isinstance(value, str):
            raise BuiltinError("element must be string")
        network = _merge_network(value)
        if isinstance(network, ipaddress.IPv4Network):
            fours.append(network)
        else:
            sixes.append(network)
    merged: list[Network] = [*ipaddress.collapse_addresses(fours), *ipaddress.collapse_addresses(sixes)]
    return RegoSet(str(each) for each in merged)


@into(FUNCTIONS, "urlquery.encode")
def urlquery_encode(value: Any) -> str:
    """Escape a text for a query."""
    return quote_plus(string(value))


@into(FUNCTIONS, "urlquery.decode")
def urlquery_decode(value: Any) -> str:
    """Undo the escapes of a query."""
    return _unescaped(string(value))


@into(FUNCTIONS, "urlquery.encode_object")
def urlquery_encode_object(value: Any) -> str:
    """Return a query with the members of an object, each a text or several."""
    parts: list[str] = []
    for key, item in entries(mapping(value)):
        values = [item] if isinstance(item, str) else list(item) if isinstance(item, list | RegoSet) else [None]
        for each in values:
            if not isinstance(each, str):
                raise BuiltinError("operand 1 values must be string, array[string], or set[string]")
            parts.append(f"{quote_plus(key)}={quote_plus(each)}")
    return "&".join(parts)


@into(FUNCTIONS, "urlquery.decode_object")
def urlquery_decode_object(value: Any) -> dict[Any, Any]:
    """Return the parts of a query, each name with its values."""
    found: dict[Any, Any] = {}
    for part in string(value).split("&"):
        if ";" in part:
            raise BuiltinError("invalid semicolon separator in query")
        if part:
            name, _, item = part.partition("=")
            found.setdefault(_unescaped(name), []).append(_unescaped(item))
    return found


def _unescaped(value: str) -> str:
    if _ESCAPE.search(value):
        raise BuiltinError("invalid URL escape")
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8", "replace")


def _cidr(value: str) -> tuple[Address, Network] | None:
    address, slash, prefix = value.partition("/")
    found = _address(address)
    if found is None or not slash or not prefix.isascii() or not prefix.isdigit() or len(prefix) > 3:
        return None
    if len(prefix) > 1 and prefix.startswith("0"):
        return None
    try:
        return found, ipaddress.ip_network(f"{found}/{prefix}", strict=False)
    except ValueError:
        return None


def _address(value: str) -> Address | None:
    if "%" in value:
        return None
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _network(value: str) -> Network:
    found = _cidr(value)
    if found is None:
        raise BuiltinError(f"invalid CIDR address: {value}")
    return found[1]


def _range(value: str) -> Network:
    address = _address(value)
    return ipaddress.ip_network(address) if address is not None else _network(value)


def _contains(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and other.subnet_of(network)
    return isinstance(other, ipaddress.IPv6Network) and other.subnet_of(network)


def _merge_network(value: str) -> Network:
    address = _address(value)
    if isinstance(address, ipaddress.IPv4Address):
        # Without a length the old classes of networks count, as in Go's DefaultMask.
        first = int(address) >> 24
        return ipaddress.ip_network(f"{address}/{8 if first < 128 else 16 if first < 192 else 24}", strict=False)
    if address is not None:
        raise BuiltinError("IPv6 invalid: needs prefix length")
    return _network(value)


def _candidates(value: Any, position: int) -> list[tuple[str, Any]]:
    if isinstance(value, str):
        return [(value, value)]
    rows: list[tuple[Any, Any]] = []
    if isinstance(value, list):
        rows = [(item, index) for index, item in enumerate(value)]
    elif isinstance(value, RegoSet):
        rows = [(item, item) for item in value]
    elif isinstance(value, dict):
        rows = [(item, key) for key, item in entries(value)]
    found: list[tuple[str, Any]] = []
    for item, key in rows:
        inner = item[0] if isinstance(item, list) and item else item
        if not isinstance(inner, str):
            raise BuiltinError(f"operand {position}: element must be string or non-empty array, not {type_name(item)}")
        found.append((inner, key))
    return found
