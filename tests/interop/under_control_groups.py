"""Applications under real control groups: run by ``test_control_groups`` in a machine that has a tree of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers.process_host.conftest import Host, hosts
from workers.process_host import Limits, ProcessSpec, ProcessState, ProcessStatus
from workers.process_host.bounds import OWN, TREE, ControlGroups, ResourceLimits, choose, foreseen


@pytest.fixture(scope="module")
def make_host() -> Iterator[Callable[..., Host]]:
    with hosts() as make:
        yield make


@pytest.fixture(scope="module")
def host(make_host: Callable[..., Host]) -> Host:
    made = make_host()
    made.start()
    return made


class Application:
    """One application of the host, with the group that holds it."""

    def __init__(self, host: Host, name: str, command: str, environment: str = "", **limits: float) -> None:
        directory = host.application(environment or name)
        bounds = Limits(**limits)  # type: ignore[arg-type]  # whole numbers where whole ones belong
        spec = ProcessSpec(name, environment or name, "web", directory, command, limits=bounds)
        self.host, self.status = host, host.client.start(spec)
        self.group = next(TREE.glob(f"slipway-*/{name}"))

    def says(self, file: str) -> dict[str, int]:
        """Return what the kernel counts in a file of the group."""
        pairs = [line.split() for line in (self.group / file).read_text().splitlines()]
        return {each[0]: int(each[1]) for each in pairs}

    def exit_code(self) -> int | None:
        """Wait for the end and return how it was."""
        self.host.wait_until(lambda: self.now.state is ProcessState.EXITED, 60)
        return self.now.exit_code

    @property
    def now(self) -> ProcessStatus:
        found = self.host.client.status(self.status.id)
        assert found is not None
        return found


def test_the_host_takes_control_groups_and_says_so(host: Host) -> None:
    assert foreseen() == host.client.health()["bounds"] == ControlGroups.words


def test_memory_is_that_of_all_processes_together(host: Host) -> None:
    """Two of which each would be within the limit, as limits of processes count."""
    hold = "dd if=/dev/zero of=/dev/null bs=40M"
    one = Application(host, "alone", f"{hold} count=1", memory_mb=96)
    assert one.exit_code() == 0, host.client.log_tail("alone")
    both = Application(host, "both", f"{hold} & {hold} & wait", memory_mb=64)
    assert both.exit_code() == -signal.SIGKILL, "its shell goes with what took too much"


def test_processes_are_counted_by_application_and_not_by_user(host: Host) -> None:
    starts = "n=0; while [ $n -lt 20 ]; do sleep 600 & n=$((n + 1)); done; wait"
    many = Application(host, "many", starts, environment="shop", processes=8)
    assert many.exit_code() == 2, "the shell gives up"
    assert any("fork" in line.lower() for line in host.client.log_tail("many"))

    beside = Application(host, "beside", "sleep 600 & sleep 600 & sleep 600 & wait", environment="shop", processes=8)
    host.wait_until(lambda: len((beside.group / "cgroup.procs").read_text().split()) >= 4, 60)
    few = Application(host, "few", "sleep 0.1 & wait; echo fine", environment="shop", processes=3)
    assert few.exit_code() == 0, "those of the same user elsewhere do not count"
    assert list(host.client.log_tail("few")) == ["fine"]


def test_processors_are_shared_in_parts(host: Host) -> None:
    busy = Application(host, "busy", "while :; do :; done", cpus=0.2)
    host.wait_until(lambda: busy.says("cpu.stat")["nr_throttled"] >= 5, 60)
    began, used = time.monotonic(), busy.says("cpu.stat")["usage_usec"]
    time.sleep(3)
    share = (busy.says("cpu.stat")["usage_usec"] - used) / 1e6 / (time.monotonic() - began)
    assert share < 0.4, f"{share:.2f} of a processor where 0.2 is allowed"
    host.client.stop("busy", grace_seconds=0.5)


def test_what_left_the_session_ends_with_the_application(host: Host) -> None:
    fled = Application(host, "fled", "setsid sleep 600 & sleep 600")
    members = fled.group / "cgroup.procs"
    host.wait_until(lambda: len(members.read_text().split()) >= 3, 60)
    left = [int(pid) for pid in members.read_text().split()]
    host.client.stop("fled", grace_seconds=0.5)
    host.wait_until(lambda: not fled.group.exists())
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


def test_what_a_killed_host_left_is_ended_by_the_next(make_host: Callable[..., Host]) -> None:
    first = make_host()
    first.start()
    group = Application(first, "left", "setsid sleep 600 & sleep 600").group
    first.wait_until(lambda: len((group / "cgroup.procs").read_text().split()) >= 3, 60)
    stray = int((group / "cgroup.procs").read_text().split()[-1])
    first.process.kill()
    first.process.wait()
    first.start()
    first.wait_until(lambda: not Path(f"/proc/{stray}").exists())


def test_a_group_with_processes_hands_nothing_on(tmp_path: Path) -> None:
    crowded = TREE / "crowded"
    crowded.mkdir()
    (TREE / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (crowded / "cgroup.procs").write_text(str(process.pid))
        bounds = choose("slipway-x", str(crowded))
        assert isinstance(bounds, ResourceLimits)
        assert "control groups cannot be made below" in bounds.words
        own = tmp_path / "own"
        own.write_text(Path(f"/proc/{process.pid}/cgroup").read_text())
        assert choose("slipway-x", own=own).words == bounds.words
        process.communicate(b"\n")
    assert OWN.read_text() == "0::/\n", os.getpid()
