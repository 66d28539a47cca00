"""What a component showed in a preview, so that it makes nothing else afterwards: policies decide about what was shown.

A component is told whether it runs for a preview, and is its publisher's code: nothing else keeps it from showing one
thing and making another.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format, struct_pb2

from workers.engine.state import SECRET_SIGNATURE, SIGNATURE_KEY, UNKNOWN

_OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_REFERENCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
_NOT_KNOWN = object()


def entry(request: Any) -> dict[str, Any]:
    """Return what counts of the request for a resource, as JSON data."""
    providers = {name: each.rpartition("::")[0] for name, each in request.providers.items()}
    how = {
        "parent": request.parent,
        "provider": request.provider.rpartition("::")[0],
        "providers": providers,
        "version": request.version,
        "ignored": sorted(request.ignoreChanges),
    }
    return {"type": request.type, "name": request.name, "how": how, "inputs": json_format.MessageToDict(request.object)}


def outputs_entry(kind: str, outputs: struct_pb2.Struct) -> dict[str, Any]:
    """Return what a component tells, in the shape of a resource."""
    return {"type": kind, "name": "", "how": {}, "inputs": json_format.MessageToDict(outputs)}


def is_among(made: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether something that is to be made was shown: the same, but for what was not known yet."""
    return any(_is(each, made) for each in shown)


def left_out(shown: Sequence[Mapping[str, Any]], made: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the first that was shown and not made, "" where there is none."""
    missing = [each for each in shown if not any(_is(each, one) for one in made)]
    return str(missing[0]["name"] or "its outputs") if missing else ""


def _is(shown: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    same = all(shown[key] == made[key] for key in ("type", "name", "how"))
    return same and _agrees(_plain(shown["inputs"]), _plain(made["inputs"]))


def _agrees(shown: Any, made: Any) -> bool:
    if shown is _NOT_KNOWN:
        return True
    if isinstance(shown, dict) and isinstance(made, dict):
        return all(_agrees(shown.get(key), made.get(key)) for key in shown.keys() | made.keys())
    if isinstance(shown, list) and isinstance(made, list):
        return len(shown) == len(made) and all(map(_agrees, shown, made))
    return bool(type(shown) is type(made) and shown == made)


def _plain(value: Any) -> Any:
    """Return a value out of what marks it as a secret or an output, with what is not known as such."""
    if isinstance(value, dict):
        signature = value.get(SIGNATURE_KEY)
        if signature in {SECRET_SIGNATURE, _OUTPUT_SIGNATURE}:
            return _plain(value["value"]) if "value" in value else _NOT_KNOWN
        if signature == _REFERENCE_SIGNATURE:
            return {"urn": value.get("urn")}
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _NOT_KNOWN if isinstance(value, str) and value in UNKNOWN else value
