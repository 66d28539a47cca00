"""Run inside the sandbox: make one component of a wheel, and tell the engine of its resources.

Usage: ``python -I run_component.py``, with one line of input: ``{"wheel", "monitor", "project", "stack", "preview",
"component", "name", "inputs", "secret_inputs", "unknown_inputs"}``; ``monitor`` is the path of the socket where the
engine's monitor is reached, and a preview may not know some inputs yet. Writes ``result.json`` with ``{"problem":
"..."}`` where it did not come to its end. What runs here is the publisher's own code.
"""

import asyncio
import json
import runpy
import sys
import traceback
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
from pulumi.output import UNKNOWN
from pulumi.provider import experimental
from pulumi.provider.experimental import host
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.runtime import run_in_stack
from pulumi.runtime.settings import reset_options

_PLUGIN = "PulumiPlugin.yaml"
_LONGEST = 2000


class _Hosted:
    """What a package says to be its components, and its name, when it is run as Pulumi runs it."""

    def __init__(self) -> None:
        self.components: list[type[pulumi.ComponentResource]] = []
        self.name = ""

    def __call__(
        self, components: Sequence[type[pulumi.ComponentResource]], name: str, *_: object, **__: object
    ) -> None:
        self.components, self.name = list(components), name


def _module(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall("site")
        (name,) = {
            each.partition("/")[0]
            for each in archive.namelist()
            if each.count("/") == 1 and each.endswith(f"/{_PLUGIN}")
        }
    return name


def _defined_in(module: ModuleType) -> list[type[pulumi.ComponentResource]]:
    found = [
        each for each in vars(module).values() if isinstance(each, type) and issubclass(each, pulumi.ComponentResource)
    ]
    return [each for each in found if each.__module__.partition(".")[0] == module.__name__]


def _provider(module: str) -> tuple[ComponentProvider, str]:
    hosted = _Hosted()
    # Without anybody to serve, being hosted means telling what would be.
    experimental.component_provider_host = host.component_provider_host = hosted
    package = import_module(module)
    if Path("site", module, "__main__.py").is_file():
        runpy.run_module(module, run_name="__main__")
    name = hosted.name or module.replace("_", "-")
    return ComponentProvider(hosted.components or _defined_in(package), name), name


def _make(module: str, task: Mapping[str, Any]) -> None:
    provider, package = _provider(module)
    secret = set(task["secret_inputs"])
    given = {**task["inputs"], **{name: pulumi.Output.from_input(UNKNOWN) for name in task["unknown_inputs"]}}
    inputs = {name: pulumi.Output.secret(value) if name in secret else value for name, value in given.items()}
    made = provider.construct(task["name"], f"{package}:index:{task['component']}", inputs)
    for name, value in made.state.items():
        pulumi.export(name, value)


def main(task: Mapping[str, Any]) -> None:
    """Make the component as the program of a stack."""
    module = _module(Path(task["wheel"]))
    sys.path.insert(0, str(Path("site").resolve()))
    reset_options(
        project=task["project"],
        monitor_address=f"unix:{task['monitor']}",
        engine_address="",
        stack=task["stack"],
        parallel=8,
        preview=task["preview"],
        organization="organization",
    )
    problem = ""
    try:
        asyncio.new_event_loop().run_until_complete(run_in_stack(lambda: _make(module, task)))
    except BaseException as error:  # noqa: BLE001  # a publisher's module may raise anything, and try to end us
        inner = getattr(error, "inner", None) or error.__cause__ or error
        where = [frame for frame in traceback.extract_tb(inner.__traceback__) if "/site/" in frame.filename]
        place = f" ({Path(where[-1].filename).name}, line {where[-1].lineno})" if where else ""
        problem = f"{type(inner).__name__}: {inner}{place}"[:_LONGEST]
        traceback.print_exception(error)
    Path("result.json").write_text(json.dumps({"problem": problem}), "utf-8")


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))
