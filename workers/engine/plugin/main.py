"""The executable `pulumi-resource-slipway`, which a Pulumi engine starts when it finds it on its PATH.

Slipway's own engine attaches to a provider in its own process instead and saves the start. The executable serves
everybody else; it needs `--configuration FILE`, the JSON of a `PluginConfiguration`, which `write_executable` gives it.
"""

import argparse
import json
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from workers.engine.plugin import NAME, PluginConfiguration
from workers.engine.plugin.server import serve_for_parent


def main() -> None:
    """Serve the engine that started this process."""
    parser = argparse.ArgumentParser(prog=f"pulumi-resource-{NAME}", description="Slipway's local target for Pulumi.")
    parser.add_argument("--configuration", type=Path, required=True, help="JSON with data_dir, run_dir and more")
    # The engine adds its address and flags for logging, none of which is needed here.
    arguments, _rest = parser.parse_known_args()
    with suppress(KeyboardInterrupt):
        serve_for_parent(PluginConfiguration.read(arguments.configuration))


def write_executable(directory: Path, configuration: PluginConfiguration) -> Path:
    """Write an executable for this configuration, to be put on the PATH of an engine; return its path."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = directory / "plugin.json"
    settings.write_text(json.dumps(configuration.as_json()), "utf-8")
    source = Path(__file__).resolve().parents[3]
    command = shlex.join([sys.executable, "-P", "-m", "workers.engine.plugin.main", "--configuration", str(settings)])
    executable = directory / f"pulumi-resource-{NAME}"
    executable.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(source))} exec {command} "$@"\n', "utf-8")
    executable.chmod(0o700)
    return executable


if __name__ == "__main__":
    main()
