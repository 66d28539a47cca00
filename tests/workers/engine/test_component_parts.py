"""Components of publishers among the resources of an environment: one stack, wired both ways, in order."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.assets.wheel import build_wheel
from tests.workers.engine.demo_provider import components, install_plugin
from workers.engine import ComponentProgram, EngineError, ErrorKind, StackProgram, StackRef, StackRequest
from workers.engine.references import in_order
from workers.foresight import held_to

pytestmark = pytest.mark.engine

Target = Any  # the fixture's class lives in conftest.py, which test files do not import
SECRET = "hunter2-and-more"


@pytest.fixture(scope="module")
def world(target: Target) -> Path:
    """The folder in which the things of the pretended cloud are."""
    return install_plugin(target.data)


def shelf(folder: Path, name: str, sizes: Any, harm: str = "pass") -> ComponentProgram:
    """Return a component as a part; the first of its sizes is the name of what it makes."""
    wheel, data = build_wheel("things", "0.1.0", components(harm), requires=())
    (folder / wheel).write_bytes(data)
    inputs = {"sizes": sizes, "token": SECRET}
    return ComponentProgram(str(folder / wheel), "Shelf", name, inputs, ("token",), ("demo",))


def request(target: Target, name: str, env: dict[str, str], *parts: ComponentProgram) -> StackRequest:
    """Return an operation on an environment with a process and these parts."""
    local = target.program(name, target.commit("one"), env)
    outputs = {**local.outputs, "where": f"at ${{{parts[0].name}.addresses}}", "token": f"${{{parts[0].name}.token}}"}
    program = StackProgram(local.resources, outputs, parts=parts)
    return StackRequest(StackRef("environments", name), "correct horse", program, time_limit=120)


def sizes(world: Path) -> list[str]:
    """Return what there is in the pretended cloud."""
    return sorted(each.read_text() for each in world.iterdir())


def test_parts_are_wired_in_order_and_go_with_the_stack(target: Target, world: Path, tmp_path: Path) -> None:
    first = shelf(tmp_path, "first", ["small"])
    late = shelf(tmp_path, "late", ["port-${web.port}"])
    asked = request(target, "wired", {"SHELF": "<${first.addresses}>", "TOKEN": "${first.token}"}, late, first)
    planned = target.engine.preview(asked)
    assert {each.name for each in planned.graph if each.type == "things:index:Shelf"} >= {"first"}
    assert planned.incomplete == ("late",)
    assert SECRET not in repr(planned)
    assert sizes(world) == []
    assert not target.left_over("wired")
    made = target.engine.up(asked)
    port = made.outputs["port"]
    assert made.outputs["where"] == f"at thing-port-{port}"
    assert made.secret_outputs == {"token": SECRET}
    assert sizes(world) == [f"port-{port}", "small"]
    assert target.get("wired") == (200, "one")
    needs = {each.name: set(each.depends_on) for each in made.graph}
    assert needs["web"] >= {"first-small"}
    assert needs[f"late-port-{port}"] >= {"web"}
    assert SECRET not in repr(made.graph)

    asleep = replace(
        asked, program=replace(asked.program, resources=asked.program.resources[2:], outputs={}, parts=(first,))
    )
    assert {each.name for each in target.engine.up(asleep).resources} == {"files", "first-small"}
    assert sizes(world) == ["small"]
    target.engine.up(asked)
    target.engine.refresh(asked)
    target.engine.destroy(asked)
    assert (sizes(world), target.left_over("wired"), target.engine.exists(asked.stack)) == ([], [], False)


def test_what_a_part_tells_is_taken_apart(target: Target, world: Path, tmp_path: Path) -> None:
    told = "class Shelf(pulumi.ComponentResource):"
    place = "class Place(TypedDict):\n    zone: str\n    shelf_number: int\n\n\n"
    source = components('self.place = self.addresses.apply(lambda each: {"zone": each, "shelf_number": 3})')
    text = source["things/__init__.py"].decode().replace(told, f"{place}{told}\n    place: pulumi.Output[Place]\n")
    first, late = shelf(tmp_path, "first", ["small"]), shelf(tmp_path, "late", ["in-${first.place.zone}"])
    _, data = build_wheel("things", "0.1.0", {**source, "things/__init__.py": text.encode()}, requires=())
    Path(first.wheel).write_bytes(data)
    asked = request(target, "apart", {"SHELF": "${first.place.shelfNumber}"}, first, late)
    made = target.engine.up(asked)
    assert sizes(world) == ["in-thing-small", "small"]
    needs = {each.name: set(each.depends_on) for each in made.graph}
    assert "first-small" in needs["web"] & needs["late-in-thing-small"]
    lost = request(target, "apart", {"SHELF": "${first.place.street}"}, first, late)
    with pytest.raises(EngineError, match="place of first holds no street"):
        target.engine.up(lost)
    target.engine.destroy(asked)
    assert (sizes(world), target.left_over("apart")) == ([], [])


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (
            'raise ValueError(args["sizes"][0] + HIDDEN)'.replace("HIDDEN", f'"{SECRET}"'),
            "bad: ValueError: small[secret]",
        ),
        ('pulumi.CustomResource("command:local:Command", "p", {"create": "id"}, here)', "may use: demo"),
        (
            'pulumi.runtime.get_root_resource().outputs["x"] = pulumi.FileAsset("/etc/passwd")',
            "names a file by its path",
        ),
    ],
)
def test_a_part_that_fails_or_harms_ends_the_operation_and_says_why(
    harm: str, named: str, target: Target, world: Path, tmp_path: Path
) -> None:
    asked = request(target, "ended", {"SHELF": "${bad.addresses}"}, shelf(tmp_path, "bad", ["small"], harm))
    with pytest.raises(EngineError) as refused:
        target.engine.up(asked)
    assert refused.value.kind is ErrorKind.FAILED
    assert named in refused.value.message
    target.engine.destroy(asked)
    assert (sizes(world), target.left_over("ended")) == ([], [])


SIDE = (
    'pulumi.CustomResource("slipway:local:Process", f"{name}_side", '
    '{"command": "exec python3 app.py", "env": {"SIZE": 5}, "health": {"path": "/"}, "port": None}, here)'
)
LOCAL = {"environment_id": "sided", "directory": "${files.directory}"}


def test_a_part_runs_a_process_of_its_environment_that_goes_with_it(
    target: Target, world: Path, tmp_path: Path
) -> None:
    harm = f'side = {SIDE}; self.addresses = side.port.apply(lambda port: f"port {{int(port)}}")'
    asked = request(
        target,
        "sided",
        {"SIDE": "${a.addresses}"},
        replace(shelf(tmp_path, "a", [], harm), local=LOCAL),
    )
    planned = target.engine.preview(asked)
    assert (planned.summary.delete, planned.incomplete) == (0, ())
    made = target.engine.up(held_to(asked, planned))
    (side,) = [each for each in target.processes.list("sided") if each.name == "a_side"]
    assert made.outputs["where"] == f"at port {side.port}"
    needs = {each.name: set(each.depends_on) for each in made.graph}
    assert needs["a_side"] == {"files"}
    assert "a_side" in needs["web"]
    again = target.engine.up(held_to(asked, target.engine.preview(asked)))
    assert (again.summary.create, again.summary.update) == (0, 0)
    target.engine.refresh(asked)
    target.engine.destroy(asked)
    assert (sizes(world), target.left_over("sided")) == ([], [])


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (SIDE, "may use: demo"),
        (SIDE.replace("{name}_side", "web"), "has to be called bad_NAME"),
        (SIDE.replace("{name}_side", "{name}-side"), "has to be called bad_NAME"),
        (SIDE.replace("{name}_side", "bad-more_side"), "has to be called bad_NAME"),
        (SIDE.replace('"port"', '"limits": {"memory_mb": 1025}, "port"'), "of the 1024 that all its processes have"),
        (SIDE.replace('"port"', '"limits": pulumi.Output.secret({"processes": 1}), "port"'), "have to be numbers"),
        (
            f"{SIDE}; {SIDE.replace('_side', '_other')}",
            "does not fit: of the 1024 that all its processes have, 0 are left",
        ),
        (SIDE.replace('"port"', '"directory": "/", "port"'), "sets directory, which components may not set"),
        (SIDE.replace('"port"', '"environment_id": "other", "port"'), "sets environment_id, which components"),
        (SIDE.replace("here)", "pulumi.ResourceOptions(parent=self, version='9'))"), "names a provider"),
        ('pulumi.CustomResource("slipway:local:Route", "bad-r", {"host": "x.test", "port": 1}, here)', "may use: demo"),
    ],
)
def test_what_is_not_the_parts_own_it_cannot_say_of_a_process(
    harm: str, named: str, target: Target, world: Path, tmp_path: Path
) -> None:
    part = shelf(tmp_path, "bad", ["small"], harm)
    asked = request(target, "said", {"SIDE": "${bad.addresses}"}, part if harm == SIDE else replace(part, local=LOCAL))
    with pytest.raises(EngineError) as refused:
        target.engine.preview(asked)
    assert named in refused.value.message
    assert (sizes(world), target.left_over("said")) == ([], [])


REALLY = "not pulumi.runtime.is_dry_run()"


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (f'{REALLY} and Thing("more", "evil", here)', "more is not as its preview showed"),
        (f'Thing("more", "evil" if {REALLY} else "good", here)', "more is not as its preview showed"),
        (f'{REALLY} or Thing("more", "guard", here)', "it left out more"),
        (f'self.addresses = "evil" if {REALLY} else "good"', "what it tells is not as its preview showed"),
    ],
)
def test_a_part_that_is_held_to_its_preview_makes_nothing_else(
    harm: str, named: str, target: Target, world: Path, tmp_path: Path
) -> None:
    asked = request(target, "held", {"SHELF": "${bad.addresses}"}, shelf(tmp_path, "bad", ["small"], harm))
    with pytest.raises(EngineError) as refused:
        target.engine.up(held_to(asked, target.engine.preview(asked)))
    assert named in refused.value.message
    assert "evil" not in sizes(world)
    target.engine.destroy(asked)
    assert (sizes(world), target.left_over("held")) == ([], [])


def test_parts_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    one, two = shelf(tmp_path, "one", ["${two.addresses}"]), shelf(tmp_path, "two", ["${one.addresses}"])
    with pytest.raises(EngineError, match="need each other in a circle"):
        in_order(StackProgram((), parts=(one, two)))
