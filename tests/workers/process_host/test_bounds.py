"""What holds applications to their limits: control groups, for whose tree a folder stands, and resource limits."""

import os
from pathlib import Path
from typing import Any

import pytest

from workers.process_host import Limits, ProcessSpec, ProcessState
from workers.process_host.bounds import ControlGroups, ResourceLimits, choose, foreseen

LIMITS = Limits(memory_mb=100, processes=33, open_files=77, file_size_mb=5, cpus=1.5)


def tree(root: Path, controllers: str = "cpuset cpu io memory pids") -> tuple[Path, Path]:
    """Lay out a folder as the kernel does for a group of this process; return the tree, and what names the group."""
    group = root / "tree" / "service"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text(controllers)
    (group / "cgroup.subtree_control").write_text("")
    own = root / "own"
    own.write_text("12:pids:/elsewhere\n0::/service\n")
    return root / "tree", own


def test_each_application_has_a_group_with_its_limits(tmp_path: Path) -> None:
    top, own = tree(tmp_path)
    bounds = choose("slipway-x", tree=top, own=own)
    assert isinstance(bounds, ControlGroups)
    assert foreseen(tree=top, own=own) == bounds.words == "a control group for each application"
    for group in (top / "service", top / "service" / "slipway-x"):
        assert (group / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"

    told = bounds.of("one.web.1", LIMITS)

    made = top / "service" / "slipway-x" / "one.web.1"
    assert {each.name: each.read_text() for each in made.iterdir()} == {
        "cpu.max": "150000 100000",
        "memory.max": str(100 * 1024 * 1024),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "33",
    }
    # What groups bound is bounded nowhere else: a runtime may reserve more than it uses.
    assert told == {
        "limits": {"RLIMIT_NOFILE": 77, "RLIMIT_FSIZE": 5 * 1024 * 1024, "RLIMIT_CORE": 0},
        "group": str(made / "cgroup.procs"),
    }
    bounds.ended("one.web.1")
    assert (made / "cgroup.kill").read_text() == "1"


def test_what_a_killed_host_left_is_killed(tmp_path: Path) -> None:
    names = ("one.web.1", "two.web.1")
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "cgroup.procs").write_text("")
    ControlGroups(tmp_path).sweep()
    assert [(tmp_path / name / "cgroup.kill").read_text() for name in names] == ["1", "1"]


@pytest.mark.parametrize(
    ("controllers", "writable", "reason"),
    [("cpuset hugetlb", True, "no control groups of version 2"), ("cpu memory pids", False, "cannot be made below")],
)
def test_without_groups_each_process_carries_its_limits(
    tmp_path: Path, controllers: str, reason: str, *, writable: bool
) -> None:
    top, own = tree(tmp_path, controllers)
    if not writable:
        # In the way of the group that holds those of all applications.
        (top / "service" / "slipway-x").write_text("")
    bounds = choose("slipway-x", tree=top, own=own)
    assert isinstance(bounds, ResourceLimits)
    assert reason in bounds.words
    found = bounds.of("one", Limits(memory_mb=100, processes=33, cpus=0.5))
    assert found["limits"]["RLIMIT_DATA"] == 100 * 1024 * 1024
    assert found["limits"]["RLIMIT_NPROC"] == 33


def test_processors_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 2, 4})
    bounds = ResourceLimits()
    assert [bounds.of("x", Limits(cpus=0.5))["processors"] for _ in range(4)] == [[0], [2], [4], [0]]
    assert bounds.of("x", Limits(cpus=1.2))["processors"] == [4, 0]
    assert "processors" not in bounds.of("x", Limits(cpus=3))


def test_an_application_keeps_to_its_bounds(host: Any) -> None:
    """Whichever holds on this machine; with resource limits it sees its processors, with groups it is in one."""
    directory = host.application("one")
    shows = "import os; print(len(os.sched_getaffinity(0))); print(open('/proc/self/cgroup').read())"
    command = f'python3 -c "{shows}"'
    limits = Limits(cpus=0.5)
    started = host.client.start(ProcessSpec("one", "one", "web", directory, command, limits=limits))
    assert started.bounds == host.client.health()["bounds"] != ""
    host.wait_until(lambda: host.client.status("one").state is ProcessState.EXITED)
    lines = host.client.log_tail("one")
    if started.bounds == ControlGroups.words:
        assert any(line.endswith("/one") for line in lines)
    else:
        assert lines[0] == "1"
