"""Released events keep their shape: a golden schema may gain optional fields, and nothing else.

After adding an event or an optional field, write its schema with ``python tests/contracts/events/test_golden.py``.
A change of any other kind is a new version: a new class, registered beside the old one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from catalog.events.registry import TYPE_PREFIX, EventData, load_events

FOLDER = Path(__file__).parent
COMMAND = "python tests/contracts/events/test_golden.py"
OURS = ("catalog", "workers")
# Words for people may be improved at any time.
IGNORED = ("title", "description")


def _released() -> dict[str, type[EventData]]:
    return {
        event_type.removeprefix(f"{TYPE_PREFIX}."): event_class
        for event_type, event_class in load_events().items()
        if event_class.__module__.partition(".")[0] in OURS
    }


def _shape(schema: Any) -> Any:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        plain = {name: _shape(value) for name, value in schema.items() if name not in (*IGNORED, "properties")}
        if isinstance(properties, dict):  # a field may be called title
            plain["properties"] = {name: _shape(value) for name, value in properties.items()}
        return plain
    return [_shape(each) for each in schema] if isinstance(schema, list) else schema


def broken_promises(golden: dict[str, Any], present: dict[str, Any]) -> list[str]:
    """Return what ``present`` changes about ``golden`` other than by new optional fields."""
    old, new = _shape(golden), _shape(present)
    problems = []
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    problems += [f"the field {name} is gone" for name in old_fields if name not in new_fields]
    problems += [
        f"the field {name} was {old_fields[name]} and is {new_fields[name]}"
        for name in old_fields
        if name in new_fields and old_fields[name] != new_fields[name]
    ]
    was, now = set(old.get("required", [])), set(new.get("required", []))
    problems += [f"the field {name} became required" for name in sorted(now - was)]
    problems += [f"the field {name} is no longer always there" for name in sorted(was - now)]
    old_parts, new_parts = old.get("$defs", {}), new.get("$defs", {})
    for name in old_parts:
        if name not in new_parts:
            problems.append(f"the part {name} is gone")
        else:
            problems += [f"in {name}: {each}" for each in broken_promises(old_parts[name], new_parts[name])]
    rest = {"properties", "required", "$defs"}
    problems += [f"{key} changed" for key in sorted((set(old) | set(new)) - rest) if old.get(key) != new.get(key)]
    return problems


def write_golden() -> list[str]:
    """Write the schema of every event, and return what was written; raise where a promise would be broken."""
    written = []
    for name, event_class in _released().items():
        path = FOLDER / f"{name}.json"
        present = event_class.model_json_schema(mode="serialization")
        if path.exists():
            problems = broken_promises(json.loads(path.read_text(encoding="utf-8")), present)
            if problems:
                raise SystemExit(f"{name} is released and must not change ({'; '.join(problems)}): add a new version")
        text = json.dumps(present, indent=2, sort_keys=True) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(name)
    return written


@pytest.mark.parametrize("name", sorted(_released()))
def test_a_released_event_keeps_its_shape(name: str) -> None:
    path = FOLDER / f"{name}.json"
    assert path.exists(), f"{name} has no golden schema yet; write it with: {COMMAND}"
    present = _released()[name].model_json_schema(mode="serialization")
    golden = json.loads(path.read_text(encoding="utf-8"))
    problems = broken_promises(golden, present)
    assert not problems, f"{name} is released: {'; '.join(problems)}. Register a new version instead."
    assert golden == present, f"{name} has grown; write the new schema with: {COMMAND}"


def test_no_released_event_is_gone() -> None:
    kept = {path.name.removesuffix(".json") for path in FOLDER.glob("*.json")}
    assert kept <= set(_released()), "an event that was released must stay readable: keep its class"


class _First(EventData):
    """An event."""

    name: str


class _More(EventData):
    """An event that says more."""

    name: str = Field(description="what it is called")
    size: int | None = None


class _Stricter(EventData):
    name: str
    size: int


class _Other(EventData):
    name: int


class _Less(EventData):
    size: int | None = None


@pytest.mark.parametrize(("changed", "allowed"), [(_More, True), (_Stricter, False), (_Other, False), (_Less, False)])
def test_additions_pass_and_changes_fail(changed: type[EventData], *, allowed: bool) -> None:
    problems = broken_promises(_First.model_json_schema(), changed.model_json_schema())
    assert (problems == []) is allowed


if __name__ == "__main__":
    sys.stdout.write("".join(f"wrote {name}\n" for name in write_golden()) or "nothing to write\n")
