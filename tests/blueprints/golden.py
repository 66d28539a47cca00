"""Write what curated assets share, and what their pipeline templates render to; ``make golden`` does."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from catalog.assets.inputs import complete_inputs
from catalog.assets.pipeline_files import render_target
from tests.blueprints import shared_files

PIPELINES = shared_files.BLUEPRINTS / "pipelines"


def examples() -> Iterator[Path]:
    """Yield the folder of each example of each pipeline template."""
    yield from sorted(path.parent for path in PIPELINES.glob("*/examples/*/inputs.json"))


def rendered(example: Path) -> dict[str, bytes]:
    """Return the files that an example renders to, for all providers, by path from the repository's root."""
    return render(example.parents[1], json.loads((example / "inputs.json").read_text("utf-8")))


def render(asset: Path, given: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files that a pipeline template renders to from inputs, for all providers."""
    manifest = yaml.safe_load((asset / "asset.yaml").read_text("utf-8"))
    schema = json.loads((asset / "inputs.schema.json").read_text("utf-8"))
    values = {"inputs": complete_inputs(schema, given), "asset": manifest["metadata"]}
    files = {
        str(path.relative_to(asset)): path.read_bytes() for path in (asset / "content").rglob("*") if path.is_file()
    }
    found: dict[str, bytes] = {}
    for target in manifest["spec"]["targets"]:
        found |= render_target(files, target["from"], target["to"], values)
    return found


def write() -> None:
    """Write ``expected`` of every example anew."""
    for example in examples():
        expected = example / "expected"
        shutil.rmtree(expected, ignore_errors=True)
        for name, data in rendered(example).items():
            path = expected / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


if __name__ == "__main__":
    shared_files.write()
    write()
