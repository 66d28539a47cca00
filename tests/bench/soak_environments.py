"""Random pull requests for a while: ``python -m tests.bench.soak_environments --minutes 60``.

Pull requests are opened, pushed to, closed and reopened at random, environments asked for, put to sleep, woken, pinned,
extended, destroyed, and workers killed, on a whole Slipway with real processes. At the end all are closed, and nothing
may be left: no process, no route, no file, no stack. The order follows from ``--seed``.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.bench.bench_environment import Slipway, free_port, slipway
from tests.bench.bench_environments_many import all_of, left, repository

ACTIONS = (
    *("request", "request", "push", "push", "close", "reopen", "sleep", "wake", "rebuild", "destroy", "kill"),
    *("pin", "unpin", "extend"),
)
SAID = {"pin": {"by": "PT1H", "reason": "Soaked"}, "extend": {"by": "PT1H"}}
WORKER = "workers.runtime.work"


class Soak:
    """What happens at random to ``count`` pull requests."""

    def __init__(self, installation: Slipway, source: Path, count: int, seed: int) -> None:
        self._installation = installation
        self._source = source
        self._numbers = range(1, count + 1)
        self._random = random.Random(seed)  # noqa: S311  # the same seed gives the same order
        self._ids: dict[int, str] = {}
        self.done: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()

    def act(self) -> None:
        """Do one thing to one pull request."""
        action, number = self._random.choice(ACTIONS), self._random.choice(self._numbers)
        self.done[action] += 1
        if action == "kill":
            self._kill()
        elif action in {"push", "reopen"}:
            self._git("update-ref", f"refs/pull/{number}/head", self._commit())
        elif action == "close":
            self._git("update-ref", "-d", f"refs/pull/{number}/head")
        elif action == "request":
            asked = {"repository": str(self._source), "pull_request": number, "blueprint": "slipway/preview-web"}
            self._ask("POST", "/environments/ephemeral", asked, number)
        elif number in self._ids:
            method, verb = ("DELETE", "") if action == "destroy" else ("POST", f"/{action}")
            self._ask(method, f"/environments/{self._ids[number]}{verb}", SAID.get(action, {}))

    def close_all(self) -> None:
        """Close every pull request."""
        for number in self._numbers:
            with suppress(subprocess.CalledProcessError):
                self._git("update-ref", "-d", f"refs/pull/{number}/head")

    def _ask(self, method: str, path: str, body: dict[str, Any], number: int | None = None) -> None:
        answer = self._installation.client.request(method, path, json=body)
        if answer.is_server_error:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
        if answer.is_error:
            self.refused[answer.status_code] += 1
        elif number is not None:
            self._ids[number] = answer.json()["id"]

    def _commit(self) -> str:
        (self._source / "change").write_text(str(self._random.random()))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "Change")
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Soak", "-c", "user.email=soak@localhost")
        command = ["git", "-C", str(self._source), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _kill(self) -> None:
        for process in psutil.Process(self._installation.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if WORKER in process.cmdline():
                    process.kill()


def until_gone(installation: Slipway, seconds: float) -> Counter[str]:
    """Wait until every environment is destroyed; return how many are in which phase."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            phases = Counter(each["phase"] for each in all_of(installation))
            if set(phases) <= {"destroyed"} or time.monotonic() > deadline:
                return phases
        time.sleep(2)


def main() -> int:
    """Soak, and say what is left; anything at all fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pull-requests", type=int, default=8)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two actions")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet-minutes", type=float, default=15, help="how long all may take to go at the end")
    options = parser.parse_args()
    os.environ["SLIPWAY_ENVIRONMENT_QUOTA"] = str(max(options.pull_requests // 2, 2))
    with tempfile.TemporaryDirectory(prefix="slw-soak-", dir="/tmp") as root:  # applications must reach it
        folder = Path(root)
        folder.chmod(0o711)
        source = repository(folder, options.pull_requests, 0)
        with slipway(folder / "data", free_port()) as installation:
            soak = Soak(installation, source, options.pull_requests, options.seed)
            ends = time.monotonic() + options.minutes * 60
            while time.monotonic() < ends:
                soak.act()
                time.sleep(options.pause)
            soak.close_all()
            begin = time.monotonic()
            phases = until_gone(installation, options.quiet_minutes * 60)
            remains = left(installation)
            print(f"done: {dict(sorted(soak.done.items()))}; refused: {dict(soak.refused)}")
            print(f"at the end, after {time.monotonic() - begin:.0f} s: {dict(phases)}")
            print(f"left: {remains or 'nothing'}")
            installation.process.send_signal(signal.SIGINT)
    return 1 if remains or set(phases) - {"destroyed"} else 0


if __name__ == "__main__":
    sys.exit(main())
