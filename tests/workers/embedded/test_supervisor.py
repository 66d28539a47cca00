"""The supervisor ends what it began, whichever way it is told to or prevented from doing so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.timeout(60)

_PROGRAM = Path(__file__).with_name("standing_in.py")
_ROOT = Path(__file__).parents[3]


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class _Running:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(data)],
            env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.read_until("ready")
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def read_until(self, word: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return line.strip()
        return ""

    @property
    def supervisor(self) -> psutil.Process:
        return psutil.Process(self.process.pid).children()[0]

    def pid_of(self, name: str) -> int:
        return int((self.data / "logs" / f"{name}.log").read_text().split()[-1])

    def left(self) -> list[psutil.Process]:
        return [each for each in self.family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[_Running]:
    started = _Running(tmp_path)
    yield started
    for process in started.left():
        with suppress(psutil.NoSuchProcess):
            process.kill()
    started.process.kill()
    started.process.wait()


def test_the_family_is_there_while_it_runs(running: _Running) -> None:
    # supervisor, plain, stubborn, family, and the grandchild that fell to the supervisor
    assert len(running.left()) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_within_ten_seconds(running: _Running, number: signal.Signals) -> None:
    started = time.monotonic()
    running.process.send_signal(number)
    assert running.process.wait(timeout=10) == 0
    assert time.monotonic() - started < 10
    assert running.left() == []


def test_the_one_behind_may_be_told_as_well(running: _Running) -> None:
    running.supervisor.terminate()
    assert running.process.wait(timeout=10) == 0
    assert running.left() == []


def test_a_killed_front_leaves_nothing(running: _Running) -> None:
    running.process.kill()
    running.process.wait()
    assert _wait_until(lambda: running.left() == [], 10)


def test_a_killed_supervisor_leaves_nothing(running: _Running) -> None:
    running.supervisor.kill()
    assert running.process.wait(timeout=10) == 1
    assert running.left() == []


def test_a_killed_process_group_leaves_nothing(running: _Running) -> None:
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert _wait_until(lambda: running.left() == [], 10)


def test_a_crashed_part_is_started_again_and_said_so_in_one_line(running: _Running) -> None:
    before = running.pid_of("plain")
    os.kill(before, signal.SIGKILL)
    line = running.read_until("plain")
    assert line.startswith("plain ended unexpectedly (killed by SIGKILL")
    assert "starting it again in 0.5 s" in line
    assert _wait_until(lambda: running.pid_of("plain") != before, 10)


def test_what_a_crashed_part_left_behind_is_gone_before_it_starts_again(running: _Running) -> None:
    said = (running.data / "logs" / "family.log").read_text().split()
    # The grandchild leads a session of its own and wrote into the log that it inherited.
    leader, grandchild = sorted(map(int, said), key=lambda pid: os.getsid(pid) == pid)
    os.kill(leader, signal.SIGKILL)
    assert running.read_until("family ended unexpectedly")
    assert _wait_until(lambda: not psutil.pid_exists(grandchild), 5)


def test_a_log_never_grows_past_its_cap(running: _Running) -> None:
    log = running.data / "logs" / "plain.log"
    with log.open("ab") as file:
        file.write(b"x" * 5000)
    assert _wait_until(lambda: log.stat().st_size == 0, 5)
    assert log.with_name("plain.log.1").stat().st_size >= 5000
