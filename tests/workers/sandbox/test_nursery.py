"""Runs whose program was imported beforehand: they see, may and leave behind no more than any other run."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workers.sandbox import MIB, Outcome, SandboxLimits, Stopped, Task
from workers.sandbox.nursery import Nursery
from workers.sandbox.run import Sandbox
from workers.sandbox.walls import WORK, Wall

LIMITS = SandboxLimits(
    wall_seconds=30, cpu_seconds=10, memory_bytes=256 * MIB, disk_bytes=16 * MIB, file_bytes=4 * MIB, processes=16
)
SOURCE = """
import json, os, sys
# Kept by the modules, so that a run of what a nursery has imported sees the nursery's.
sys.imported_by = getattr(sys, "imported_by", None) or open("/proc/self/stat").read().split()[0]

if __name__ == "__main__":
    exec(json.loads(sys.stdin.readline())["source"])
"""
SAYS_WHERE = "print(sys.imported_by != open('/proc/self/stat').read().split()[0])"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return the sandbox that the worker has."""
    made = Sandbox(spares=True)
    assert made.wall is Wall.BUBBLEWRAP
    yield made
    made.close()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a program that does what its line says."""
    folder = tmp_path_factory.mktemp("programs")
    path = folder / "program.py"
    path.write_text(SOURCE)
    for each in (path, *path.parents):
        if each.owner() == Path.home().owner() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
    return path


@pytest.fixture
def run(sandbox: Sandbox, program: Path) -> "Run":
    return Run(sandbox, program)


class Run:
    """Runs sources by the program."""

    def __init__(self, sandbox: Sandbox, program: Path) -> None:
        self.sandbox = sandbox
        self.program = program

    def __call__(self, source: str, limits: SandboxLimits = LIMITS, **task: object) -> Outcome:
        line = json.dumps({"source": source})
        given = Task(["python", "-I", str(self.program)], readable=(self.program,), line=line, limits=limits, **task)  # type: ignore[arg-type]  # fields by name
        return self.sandbox.run(given)


def test_the_program_was_imported_beforehand(run: Run) -> None:
    source = f"{SAYS_WHERE}; print(os.getcwd(), sorted(os.listdir('.')), os.environ.get('GIVEN'), sys.argv)"
    outcome = run(source, files={"in": b"x"}, environment={"GIVEN": "yes"})
    assert outcome.succeeded, outcome
    assert outcome.output.decode().splitlines() == ["True", f"{WORK} ['in'] yes ['{run.program}']"]


def test_results_and_statuses_come_out(run: Run) -> None:
    outcome = run("open('out', 'w').write('x'); print('e', file=sys.stderr); sys.exit(3)", collect=["out"])
    assert (outcome.status, outcome.files, outcome.errors) == (3, {"out": b"x"}, b"e\n")
    assert run("raise ValueError('why')").status == 1
    assert b"ValueError: why" in run("raise ValueError('why')").errors
    assert run("os.kill(os.getpid(), 9)").status == 128 + 9


def test_it_is_another_user_each_time_without_privileges(run: Run) -> None:
    source = """
print(os.getuid(), os.getgroups())
for line in open("/proc/self/status"):
    if line.startswith(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")): print(int(line.split()[1], 16))
    if line.startswith("NoNewPrivs"): print(line.split()[1])
for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot("/")):
    try: call(); print("ROOT")
    except OSError: pass
"""
    users = set()
    for _ in range(2):
        lines = run(source).output.decode().splitlines()
        users.add(lines[0])
        assert lines[1:] == ["0", "0", "0", "0", "0", "1"]
    if os.geteuid() == 0:
        assert len(users) == 2
        assert not any(each.startswith("0 ") for each in users)


def test_it_reads_neither_secrets_nor_our_data(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_MASTER_KEY", "secret")
    secret = tmp_path / "master.key"
    secret.write_text("secret")
    hidden = [
        "/etc/shadow",
        "/etc/passwd",
        str(secret),
        str(Path(__file__)),
        "/proc/1/environ",
        "/proc/1/root/etc/passwd",
    ]
    source = f"""
print(sorted(os.environ))
for path in {hidden!r}:
    try: open(path).read(); print("READ", path)
    except OSError as error: pass
for number in range(3, 256):
    try: os.fstat(number); print("OPEN", number)
    except OSError: pass
for path in ("/x", "/usr/x", "/dev/x", {str(Path(sys.prefix) / "x")!r}, {str(run.program)!r}, "/proc/sys/x"):
    try: open(path, "w").write("x"); print("WROTE", path)
    except OSError: pass
"""
    outcome = run(source)
    assert outcome.succeeded, outcome
    assert outcome.output.decode().splitlines() == ["['HOME', 'LANG', 'PATH', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR']"]


def test_it_reaches_no_network_and_no_other_process(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"""
import socket, signal
for address in (("127.0.0.1", {server.getsockname()[1]}), ("10.255.255.1", 80)):
    try: socket.create_connection(address, 2); print("REACHED")
    except OSError: pass
print(os.getppid(), os.listdir("/sys") if os.path.exists("/sys") else [])
for pid in (int(each) for each in os.listdir("/proc") if each.isdigit()):
    if pid != os.getpid() and os.getuid() == 0:
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
    print(open(f"/proc/{{pid}}/cmdline").read()[:200].count("slipway-master"))
"""
        lines = run(source).output.decode().splitlines()
    assert "REACHED" not in lines
    assert lines[0] == "0 []"  # what waits for it is outside
    assert 2 <= len(lines) - 1 <= 4  # the first process, the one that holds the cell, and itself


def test_limits_hold(run: Run) -> None:
    short = SandboxLimits(wall_seconds=1.5, cpu_seconds=10)
    assert run("while True: pass", short).stopped is Stopped.TIME
    grown = run("x = bytearray(1 << 30)")
    assert grown.stopped is Stopped.MEMORY or b"MemoryError" in grown.errors
    small = SandboxLimits(memory_bytes=128 * MIB)
    many = """
import time
for _ in range(8):
    if os.fork() == 0:
        x = b"x" * (60 << 20); time.sleep(20)
os.wait()
"""
    assert run(many, small).stopped is Stopped.MEMORY
    assert run("open('big', 'wb').write(b'x' * (8 << 20))").status != 0
    assert run("print('x' * 100)", SandboxLimits(output_bytes=10)).stopped is Stopped.OUTPUT


def test_nothing_of_one_run_is_found_by_the_next(run: Run) -> None:
    marked = "sys.left = json.left = 1; open('/tmp/left', 'w').write('x'); open('left', 'w').write('x')"
    assert run(marked + "; import time\nif os.fork() == 0: time.sleep(60)").succeeded
    look = "print(hasattr(sys, 'left'), hasattr(json, 'left'), os.path.exists('/tmp/left'), os.listdir('.'))"
    assert run(look).output == b"False False False []\n"


def test_a_nursery_that_ended_is_followed_by_another(run: Run) -> None:
    assert run(SAYS_WHERE).output == b"True\n"
    for each in nurseries(run.program):
        each.kill()
        each.wait(10)
    assert [run(SAYS_WHERE).output for _ in range(2)] == [b"True\n"] * 2


def test_where_it_cannot_be_done_the_run_is_started_as_any_other(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nursery, "_ask", lambda *_: None)
    with_nothing = Sandbox(spares=True)
    try:
        assert [Run(with_nothing, program)(SAYS_WHERE).output for _ in range(2)] == [b"False\n"] * 2
    finally:
        with_nothing.close()


def test_nothing_goes_on_after_the_end(program: Path) -> None:
    others = nurseries(program)
    made = Sandbox(spares=True)
    assert Run(made, program)(SAYS_WHERE).succeeded
    assert len(nurseries(program)) == len(others) + 1
    made.close()
    assert nurseries(program) == others


def nurseries(program: Path) -> list[psutil.Process]:
    found = psutil.Process().children()
    return [each for each in found if str(program) in each.cmdline() and "nursery_program" in " ".join(each.cmdline())]
