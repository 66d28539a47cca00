"""Decision logs in OPA's format, sent, received and handed out.

The fields are those that OPA's decision log plug-in sends: ``decision_id``, ``path``, ``input``, ``result``,
``bundles`` with their revisions, ``labels``, ``timestamp``, ``requested_by``, ``nd_builtin_cache``, ``metrics``.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from catalog.assets.findings import storable
from catalog.errors import FieldError, InvalidInputError
from catalog.policies.models import Evaluation, ReceivedDecision

LARGEST = 16 * 1024 * 1024
"""How much a log may hold once it is unpacked, in bytes."""
MOST_EVENTS = 5000
KEPT_APART: Final = ("path", "labels", "bundles", "result")
"""What has a column of its own where a received decision is kept."""
E = TypeVar("E")
_FRACTION = re.compile(r"(\.\d{6})\d+")


def as_decision(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as one event of a decision log."""
    return {
        "decision_id": str(evaluation.id),
        "labels": {"app": "slipway", "tenant": str(evaluation.tenant_id), "engine": evaluation.engine},
        "path": f"slipway/gates/{evaluation.point}" if evaluation.point else "slipway/ask",
        "requested_by": evaluation.actor,
        "timestamp": evaluation.created_at.isoformat().replace("+00:00", "Z"),
        "bundles": {each["asset"]: {"revision": each["version"]} for each in evaluation.bundles},
        "input": json.loads(evaluation.input),
        "result": {
            "allowed": evaluation.allowed,
            "level": str(evaluation.level),
            "violations": evaluation.violations,
        },
        "nd_builtin_cache": {"time.now_ns": {"[]": evaluation.now_ns}},
        "metrics": {"timer_rego_query_eval_ns": evaluation.microseconds * 1000},
    }


def as_received(decision: ReceivedDecision) -> dict[str, Any]:
    """Return a decision of an agent as the event that it sent, but for what was masked when it came."""
    own = {name: getattr(decision, name) for name in KEPT_APART}
    return {**decision.event, **{name: value for name, value in own.items() if value not in (None, "", {})}}


def pages(events: Iterable[tuple[E, dict[str, Any]]]) -> Iterator[tuple[E, bytes]]:
    """Yield each event as a line of JSON, with where it came from; no more lines than `LARGEST` bytes, but one."""
    size = 0
    for origin, event in events:
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        size += len(line)
        if size > LARGEST and size > len(line):
            return
        yield origin, line


def unpack(body: bytes, encoding: str) -> list[dict[str, Any]]:
    """Return the events that an agent sent, gzip or plain; raise ``InvalidInputError`` for what is no log."""
    text = _unzipped(body) if encoding == "gzip" else body
    if len(text) > LARGEST:
        raise _refused(f"A log may hold {LARGEST} bytes.")
    try:
        events = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused("It is not JSON.") from None
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise _refused("It is not a list of events.")
    if len(events) > MOST_EVENTS:
        raise _refused(f"A log may hold {MOST_EVENTS} events at once.")
    return events


def moment_of(event: Mapping[str, Any], default: datetime) -> datetime:
    """Return when a decision was made; OPA writes nanoseconds, of which microseconds are kept."""
    text = _FRACTION.sub(r"\1", str(event.get("timestamp", "")))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return default
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def clean(value: Any) -> Any:
    """Return JSON data without the characters that a database cannot keep."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [clean(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): clean(item) for name, item in value.items()}
    return value


def _unzipped(body: bytes) -> bytes:
    """Unpack, but no more than is accepted: what is packed may be a thousand times as large."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = unpacker.decompress(body, LARGEST + 1)
    except (zlib.error, gzip.BadGzipFile):
        raise _refused("It is not gzip, though its header says so.") from None
    if len(text) <= LARGEST and not unpacker.eof:
        raise _refused("It is cut off.")
    return text


def _refused(detail: str) -> InvalidInputError:
    return InvalidInputError(f"The decision log was not accepted. {detail}", [FieldError("", detail)])
