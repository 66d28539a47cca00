"""Components of publishers as programs of stacks: run in the sandbox, and held to what components may do."""

from pathlib import Path
from typing import Any

import pytest

from catalog.assets.wheel import build_wheel
from tests.workers.engine.demo_provider import components, install_plugin
from workers.engine import ComponentProgram, EngineError, ErrorKind, StackProgram, StackRef, StackRequest

pytestmark = pytest.mark.engine

Target = Any  # the fixture's class lives in conftest.py, which test files do not import


@pytest.fixture(scope="module")
def world(target: Target) -> Path:
    """The folder in which the things of the pretended cloud are."""
    return install_plugin(target.data)


def request(folder: Path, inputs: dict[str, Any], harm: str = "pass", stack: str = "shelf") -> StackRequest:
    """Return an operation on the stack of a component."""
    name, data = build_wheel("things", "0.1.0", components(harm), requires=())
    (folder / name).write_bytes(data)
    component = ComponentProgram(str(folder / name), "Shelf", "shelf", inputs, ("token",), ("demo",))
    program = StackProgram(resources=(), component=component)
    return StackRequest(StackRef("components", stack), "correct horse", program, time_limit=120)


def test_a_component_is_previewed_made_changed_and_destroyed(target: Target, world: Path, tmp_path: Path) -> None:
    first = request(tmp_path, {"sizes": ["small"], "token": "hunter2"})
    planned = target.engine.preview(first)
    assert (planned.summary.create, planned.summary.delete) == (2, 0)
    assert {(each.type, each.name, each.parent) for each in planned.graph} == {
        ("things:index:Shelf", "shelf", ""),
        ("demo:index:Thing", "shelf-small", "shelf"),
    }
    assert list(world.iterdir()) == []
    made = target.engine.up(first)
    assert made.outputs == {"addresses": "thing-small"}
    assert made.secret_outputs == {"token": "hunter2"}
    assert [each.read_text() for each in world.iterdir()] == ["small"]
    wider = request(tmp_path, {"sizes": ["small", "large"], "token": "hunter2"})
    changes = {each.name: str(each.operation) for each in target.engine.preview(wider).changes}
    assert changes == {"shelf": "same", "shelf-small": "same", "shelf-large": "create"}
    assert target.engine.up(wider).outputs == {"addresses": "thing-small, thing-large"}
    target.engine.destroy(wider)
    assert list(world.iterdir()) == []
    assert not target.engine.exists(wider.stack)


def test_a_component_may_set_up_a_provider_of_its_own(target: Target, world: Path, tmp_path: Path) -> None:
    own = (
        'provider = pulumi.ProviderResource("demo", "own", {"region": "north-1", "token": self.token}, '
        'pulumi.ResourceOptions(parent=self, version="1.0.0")); '
        'Thing("p", "own", pulumi.ResourceOptions(parent=self, provider=provider))'
    )
    asked = request(tmp_path, {"sizes": [], "token": "hunter2"}, own, "own")
    assert target.engine.preview(asked).summary.create == 2
    target.engine.up(asked)
    assert [each.read_text() for each in world.iterdir()] == ["own"]
    target.engine.refresh(asked)
    target.engine.destroy(asked)
    assert list(world.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ('pulumi.CustomResource("slipway:local:Process", "p", {"command": "id"}, here)', "may use: demo"),
        ('pulumi.CustomResource("command:local:Command", "p", {"create": "id"}, here)', "may use: demo"),
        (
            'pulumi.CustomResource("demo:index:Thing", "p", {"size": pulumi.FileAsset("/etc/passwd")}, here)',
            "names a file by its path",
        ),
        (
            'here.import_ = "1"; Thing("p", "x", here)',
            "uses importId",
        ),
        (
            'here.plugin_download_url = "http://127.0.0.1/evil"; Thing("p", "x", here)',
            "uses pluginDownloadURL",
        ),
        (
            'pulumi.ProviderResource("demo", "p", {"pluginDownloadURL": "http://127.0.0.1/evil"}, here)',
            "sets pluginDownloadURL, which components may not set",
        ),
        ('raise ValueError("no room")', "ValueError: no room (__init__.py"),
    ],
)
def test_what_a_component_may_not_do_ends_it(
    harm: str, named: str, target: Target, world: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as refused:
        target.engine.preview(request(tmp_path, {"sizes": ["small"]}, harm, "harm"))
    assert refused.value.kind is ErrorKind.FAILED
    assert named in refused.value.message
    assert list(world.iterdir()) == []
