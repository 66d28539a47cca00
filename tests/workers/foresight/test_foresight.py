"""What counts as the same as a preview showed, and what a component is held to, without an engine."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine import (
    ChangeSummary,
    ComponentProgram,
    PlannedChange,
    PreviewResult,
    ProgramResource,
    ResourceOperation,
    StackProgram,
    StackRef,
    StackRequest,
)
from workers.engine.components.foreseen import is_among, left_out
from workers.engine.wire import Job
from workers.foresight import NotForeseenError, held_asleep, held_to

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=8,
)


def made(inputs: Any, **fields: Any) -> dict[str, Any]:
    """Return what is told of a resource."""
    return {"type": "demo:index:Thing", "name": "thing", "how": {"parent": "p"}, "inputs": {"it": inputs}, **fields}


@given(JSON)
def test_the_same_is_the_same_however_it_is_wrapped(value: Any) -> None:
    wrapped = {SIGNATURE: OUTPUT, "value": {SIGNATURE: SECRET, "value": value}, "secret": True}
    for one in (value, wrapped):
        for other in (value, wrapped):
            assert is_among(made(one), [made("else"), made(other)])


@pytest.mark.parametrize(
    ("shown", "then"), [("a", "b"), (1, "1"), (1, True), ([1], [1, 2]), ({"a": 1}, {"a": 1, "b": 1}), ("a", None)]
)
def test_what_was_known_has_to_stay(shown: Any, then: Any) -> None:
    assert not is_among(made(then), [made(shown)])
    assert not is_among(made(shown), [made(then)])


@pytest.mark.parametrize("unknown", [UNKNOWN, {SIGNATURE: OUTPUT}, {SIGNATURE: SECRET, "value": UNKNOWN}])
def test_what_was_not_known_may_become_anything_but_only_there(unknown: Any) -> None:
    assert is_among(made({"port": 80, "size": "s"}), [made({"port": unknown, "size": "s"})])
    assert not is_among(made({"port": 80, "size": "t"}), [made({"port": unknown, "size": "s"})])
    assert not is_among(made({"port": 80, "more": 1}), [made({"port": unknown})])


@pytest.mark.parametrize("other", [{"type": "demo:index:Other"}, {"name": "n"}, {"how": {"parent": "q"}}])
def test_type_name_and_how_it_is_made_have_to_be_the_same(other: dict[str, Any]) -> None:
    assert not is_among(made("x", **other), [made("x")])
    assert left_out([made("x")], [made("x", **other)]) == "thing"
    assert left_out([made("x")], [made("y"), made("x")]) == ""


def request(*resources: ProgramResource) -> StackRequest:
    """Return an operation with two components."""
    parts = (ComponentProgram("w", "Shelf", "one"), ComponentProgram("w", "Shelf", "two"))
    return StackRequest(StackRef("p", "s"), "correct horse", StackProgram(resources, parts=parts))


def preview(*changes: PlannedChange, **fields: Any) -> PreviewResult:
    """Return what the engine says."""
    return PreviewResult(changes, ChangeSummary(), **fields)


def test_each_component_is_held_to_what_it_showed_itself() -> None:
    held = held_to(request(), preview(shown={"one": (made("hunter2"),)}))
    assert [each.foreseen for each in held.program.parts] == [(made("hunter2"),), ()]
    assert "hunter2" not in repr(held)
    job = Job("up", held.stack, "w", "h", "file:///s", "cli", "3", {}, held.program, {}, "p")
    assert Job.from_json(job.as_json()).program == held.program
    with pytest.raises(NotForeseenError, match="what two would make is not known"):
        held_to(request(), preview(incomplete=("two",)))


def test_components_change_nothing_while_their_environment_goes_to_sleep() -> None:
    route = ProgramResource("route", "slipway:local:Route")
    own = PlannedChange("u", route.type, route.name, ResourceOperation.UPDATE)
    gone = PlannedChange("u", "slipway:local:Process", "web", ResourceOperation.DELETE)
    same = PlannedChange("u", "demo:index:Thing", "thing", ResourceOperation.SAME)
    held = held_asleep(request(route), preview(own, gone, same, shown={"one": (made("x"),)}))
    assert [each.foreseen for each in held.program.parts] == [(made("x"),), ()]
    for operation in (ResourceOperation.CREATE, ResourceOperation.UPDATE, ResourceOperation.REPLACE):
        with pytest.raises(NotForeseenError, match="thing would change"):
            held_asleep(request(route), preview(own, PlannedChange("u", "demo:index:Thing", "thing", operation)))
