"""``python -m workers.doctor.provide``: get what the machine lacks and we can get, saying what is done."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from catalog.settings import inherited_environment, load_settings
from workers import toolchain
from workers.doctor.browser import chromium_program
from workers.embedded.haproxy import haproxy_program
from workers.engine import EngineError, pulumi_cli

_EVERY_SECONDS = 5.0


def main() -> int:
    """Get programs by the system's package manager (as root) and the engine; what cannot be had is said, not fatal."""
    parser = argparse.ArgumentParser(prog="python -m workers.doctor.provide", description=__doc__)
    parser.add_argument("--for-tests", action="store_true", help="get what only the tests need, and nothing else")
    if parser.parse_args().for_tests:
        _packages([] if chromium_program() else ["chromium"])
        return 0
    wanted = {
        "git": shutil.which("git"),
        "haproxy": haproxy_program(),
        "bubblewrap": shutil.which("bwrap"),
    }
    _packages([name for name, found in wanted.items() if not found])
    _engine()
    _opa()
    return 0


def _packages(names: Sequence[str]) -> None:
    """Install Debian packages where we may; otherwise say which are missing."""
    if not names:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        _say(f"Not on this machine: {', '.join(names)}. `slipway doctor` says what each is for and how to get it.")
        return
    _say(f"Installing {', '.join(names)} with apt-get")
    environment = {**inherited_environment(), "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *names]
    for command in (["apt-get", "update", "--quiet"], install):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).rsplit("\n", 1)[-1]
            _say(f"{' '.join(command[:2])} failed ({reason}); `slipway doctor` says how to go on.")
            return


def _engine() -> None:
    """Get the Pulumi command line; a build reports every few seconds how far it is."""
    tools = load_settings().tools_dir
    if pulumi_cli.find(tools) is not None:
        return
    try:
        cli = pulumi_cli.ensure(tools, _Progress())
    except EngineError as error:
        _say(f"{error.message}. Everything but making environments works without it.")
    else:
        _say(f"Pulumi is in {cli.path}")


def _opa() -> None:
    """Get the compiler of policies."""
    tools = load_settings().tools_dir
    if toolchain.find(tools, toolchain.OPA) is not None:
        return
    try:
        _say(f"OPA is in {toolchain.ensure(tools, toolchain.OPA, _Progress())}")
    except toolchain.ToolMissingError as error:
        _say(f"{error}. Everything but publishing policy bundles works without it.")


class _Progress:
    """Says every few seconds how far a build is."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._lines = 0

    def __call__(self, line: str) -> None:
        self._lines += 1
        moment = time.monotonic()
        if self._lines == 1 or moment - self._said >= _EVERY_SECONDS:
            self._said = moment
            _say(line if self._lines == 1 else f"  {self._lines} steps, {moment - self._began:.0f} s, now {line}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
