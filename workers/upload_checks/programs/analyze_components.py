"""Run inside the sandbox: import a wheel's components and infer their Pulumi package schema from the annotations.

Usage: ``python -I analyze_components.py``, with ``{"wheel": NAME}`` as the line of input. Writes ``result.json`` into
the working folder: ``{"schema": {...}}``, ``{"missing": "module"}`` where something that the wheel needs is not
installed here, or ``{"problem": "..."}``. What runs here is the publisher's own code, so whoever reads the result
believes it no more than any other text of theirs.
"""

import json
import runpy
import sys
import traceback
import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pulumi import ComponentResource
from pulumi.provider import experimental
from pulumi.provider.experimental import host
from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import generate_schema

_PLUGIN = "PulumiPlugin.yaml"


class _Hosted:
    """What a package says to be its components, and its name, when it is run as Pulumi runs it."""

    def __init__(self) -> None:
        self.components: list[type[ComponentResource]] = []
        self.name = ""

    def __call__(self, components: Sequence[type[ComponentResource]], name: str, *_: object, **__: object) -> None:
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


def _defined_in(module: ModuleType) -> list[type[ComponentResource]]:
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, ComponentResource)]
    return [each for each in found if each.__module__.partition(".")[0] == module.__name__]


def _infer(module: str) -> dict[str, Any]:
    hosted = _Hosted()
    # Without anybody to serve, being hosted means telling what would be.
    experimental.component_provider_host = host.component_provider_host = hosted
    package = import_module(module)
    if Path("site", module, "__main__.py").is_file():
        runpy.run_module(module, run_name="__main__")
    components = hosted.components or _defined_in(package)
    name = hosted.name or module.replace("_", "-")
    if not components:
        return {"schema": None}
    result = Analyzer(name).analyze(components)
    schema = generate_schema(
        name,
        "0.0.0",
        None,
        result["component_definitions"],
        result["type_definitions"],
        list(result["dependencies"]),
    )
    return {"schema": schema.to_json()}


def main(wheel: str) -> None:
    """Write the result."""
    module = _module(Path(wheel))
    sys.path.insert(0, str(Path("site").resolve()))
    document: dict[str, Any]
    try:
        document = _infer(module)
    except ModuleNotFoundError as error:
        top = (error.name or "").partition(".")[0]
        document = {"missing": top} if top != module else {"problem": str(error)}
    except BaseException as error:  # noqa: BLE001  # a publisher's module may raise anything, and try to end us
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if "/site/" in frame.filename]
        place = f" ({Path(where[-1].filename).name}, line {where[-1].lineno})" if where else ""
        document = {"problem": f"{type(error).__name__}: {error}{place}"}
    Path("result.json").write_text(json.dumps(document), "utf-8")


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline())["wheel"])
