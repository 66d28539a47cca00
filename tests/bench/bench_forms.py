"""How long a form of 300 fields with conditions takes, beside ``@rjsf/core`` rendered on the server under Node.

``python tests/bench/bench_forms.py`` installs the peer from ``tests/bench/forms`` into a folder of its own (npm), gives
both the same schema and values, and prints the median of rendering the form as HTML and of validating a value, in
milliseconds and as ratios. Both begin anew with each form, as a page does: what is shared is what each keeps itself.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from catalog.forms.validation import field_errors
from portal.pages.render import create_environment
from portal.pages.schema_form import FormSource, build_form
from portal.pages.static_files import StaticFiles

PEER = Path(__file__).with_name("forms")
FIELDS = 300
ROUNDS = 21


def schema_of(fields: int) -> dict[str, Any]:
    """Return a schema of which every tenth field opens one of two branches with nested conditions and choices."""
    properties: dict[str, Any] = {}
    conditions = []
    for at in range(fields // 10):
        properties[f"mode{at}"] = {"enum": ["basic", "advanced", "off"], "default": "basic", "title": f"Mode {at}"}
        for plain in range(4):
            properties[f"text{at}_{plain}"] = {"type": "string", "maxLength": 80, "title": f"Text {at} {plain}"}
        properties[f"count{at}"] = {"type": "integer", "minimum": 0, "maximum": 500, "title": f"Count {at}"}
        properties[f"on{at}"] = {"type": "boolean", "title": f"Switch {at}"}
        advanced = {
            "properties": {
                f"limit{at}": {"type": "integer", "minimum": 1},
                f"zone{at}": {"enum": ["a", "b", "c"]},
                f"note{at}": {"type": "string", "pattern": "^[a-z ]*$"},
            },
            "required": [f"limit{at}"],
        }
        is_advanced = {"properties": {f"mode{at}": {"const": "advanced"}}, "required": [f"mode{at}"]}
        other = {"properties": {f"plain{at}": {"type": "string"}}}
        conditions.append({"if": is_advanced, "then": advanced, "else": other})
    return {"type": "object", "properties": properties, "allOf": conditions}


def values_of(fields: int) -> list[dict[str, Any]]:
    """Return two values: one with every branch open, one with none."""
    opened: dict[str, Any] = {}
    for at in range(fields // 10):
        opened |= {f"mode{at}": "advanced", f"limit{at}": 3, f"zone{at}": "b", f"note{at}": "as planned"}
        opened |= {f"text{at}_{plain}": "hello" for plain in range(4)}
        opened |= {f"count{at}": at, f"on{at}": True}
    return [opened, {f"mode{at}": "off" for at in range(fields // 10)}]


def measure(work: Callable[[dict[str, Any]], Any], values: list[dict[str, Any]]) -> float:
    """Return the median of the rounds after the first, in milliseconds."""
    times = []
    for turn in range(ROUNDS):
        begun = time.perf_counter()
        work(values[turn % len(values)])
        times.append((time.perf_counter() - begun) * 1000)
    return median(times[1:])


def ours(schema: dict[str, Any], values: list[dict[str, Any]]) -> tuple[float, float, int]:
    """Return milliseconds of rendering and of validating, and how many controls the larger form has."""
    source = '{% from "components/schema_form.html" import live_part %}{{ live_part("inputs", form) }}'
    template = create_environment(StaticFiles.load()).from_string(source)

    def render(value: dict[str, Any]) -> str:
        return template.render(form=build_form(schema, FormSource(values=value)))

    controls = sum(render(values[0]).count(f"<{tag} ") for tag in ("input", "select", "textarea"))
    return measure(render, values), measure(lambda value: field_errors(schema, value), values), controls


def theirs(schema: dict[str, Any], values: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the peer measured of itself."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        sys.exit("Node and npm are needed for the peer.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "forms"
        shutil.copytree(PEER, folder, ignore=shutil.ignore_patterns("node_modules"))
        environment = {**os.environ, "NODE_USE_SYSTEM_CA": "1", "NODE_ENV": "production"}
        subprocess.run([npm, "ci", "--no-progress", "--silent"], cwd=folder, env=environment, check=True)
        asked = json.dumps({"schema": schema, "values": values, "rounds": ROUNDS})
        done = subprocess.run(
            [node, "render.mjs"], cwd=folder, env=environment, input=asked, capture_output=True, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure both and print what came out."""
    schema, values = schema_of(FIELDS), values_of(FIELDS)
    assert all(field_errors(schema, value) == [] for value in values)
    rendering, validating, controls = ours(schema, values)
    peer = theirs(schema, values)
    print(f"controls: ours {controls}, peer {peer['fields']}; errors of the peer: {peer['errors']}")
    rows = [("rendering", rendering, peer["rendered"]), ("validation", validating, peer["validated"])]
    for name, own, other in rows:
        ratio = other["median"] / own
        print(f"{name}: ours {own:.1f} ms, peer {other['median']:.1f} ms (first {other['first']:.0f} ms): {ratio:.2f}x")


if __name__ == "__main__":
    main()
