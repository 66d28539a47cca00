"""What a publisher's content can do in the sandbox: its work, and nothing else."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from workers.sandbox import MIB, Outcome, SandboxError, SandboxLimits, Stopped, Task, folders
from workers.sandbox.folders import PREFIX
from workers.sandbox.run import Sandbox
from workers.sandbox.spares import Spares
from workers.sandbox.walls import WORK, Wall, choose, enclose, works

SMALL = SandboxLimits(
    wall_seconds=20,
    cpu_seconds=10,
    memory_bytes=256 * MIB,
    output_bytes=MIB,
    disk_bytes=16 * MIB,
    file_bytes=4 * MIB,
    files=500,
    processes=16,
)


# What root can do without bubblewrap is less only where nobody is root.
WALLS = [Wall.BUBBLEWRAP, Wall.USER] if os.geteuid() == 0 else [Wall.BUBBLEWRAP]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """Return the sandbox as checks have it."""
    return Sandbox()


@pytest.fixture(scope="module", params=WALLS, ids=[each.value for each in WALLS])
def either(request: pytest.FixtureRequest) -> Sandbox:
    """Return the sandbox behind the best wall, and then behind the one that stands in for it."""
    return Sandbox(request.param)


def python(sandbox: Sandbox, source: str, limits: SandboxLimits = SMALL, **task: object) -> Outcome:
    given = Task(["python", "-I", "-c", source], limits=limits, **task)  # type: ignore[arg-type]  # fields by name
    return sandbox.run(given)


def test_the_machine_of_the_tests_has_bubblewrap(sandbox: Sandbox) -> None:
    """The properties below are those of the best wall; where it is missing, `slipway doctor` says so."""
    assert sandbox.wall is Wall.BUBBLEWRAP
    assert choose() is Wall.BUBBLEWRAP


def test_without_bubblewrap_root_has_the_other_wall_and_nobody_else_has_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    choose.cache_clear()
    try:
        found = choose()
    finally:
        choose.cache_clear()
    assert found is (Wall.USER if os.geteuid() == 0 else Wall.REFUSED)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not works(Wall.USER)


def test_where_files_cannot_be_covered_the_other_wall_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # The machine that does not let root mount is the edge: here its kernel says no.
    monkeypatch.setattr("workers.sandbox.walls._ENTER", Path("/dev/null/enter.py"))
    assert not works(Wall.USER)


def test_files_go_in_and_results_come_out(either: Sandbox) -> None:
    source = "open('out/b', 'wb').write(open('in/a', 'rb').read() * 2); print('done')"
    files = {"in/a": b"ab", "out/keep": b""}
    outcome = python(either, source, files=files, collect=["out/b", "out/missing"])
    assert outcome.succeeded, outcome
    assert outcome.output == b"done\n"
    assert outcome.files == {"out/b": b"abab"}


def test_it_is_told_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_MASTER_KEY", "secret")
    outcome = python(sandbox, "import os; print(dict(os.environ))", environment={"GIVEN": "yes"})
    assert b"GIVEN" in outcome.output
    assert b"secret" not in outcome.output
    assert b"SLIPWAY" not in outcome.output


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Keep a secret where Slipway's data may lie, open to every user."""
    tmp_path.chmod(0o755)
    path = tmp_path / "master.key"
    path.write_text("secret")
    path.chmod(0o644)
    return path


def test_it_reads_neither_secrets_nor_our_data(either: Sandbox, secret: Path) -> None:
    hidden = [
        "/etc/shadow",
        "/etc/passwd",
        str(Path.home() / ".bashrc"),
        str(secret),
        str(Path(__file__)),
        "/proc/1/environ",
        f"/proc/{os.getpid()}/cmdline",
        "/etc/hostname",
        "/var/log/dpkg.log",
    ]
    source = f"""
for path in {hidden!r}:
    try:
        open(path).read()
        print("READ", path)
    except OSError as error:
        print(error.errno)
"""
    outcome = python(either, source)
    assert outcome.succeeded, outcome
    assert b"READ" not in outcome.output


def test_it_writes_nowhere_but_in_its_folder(either: Sandbox) -> None:
    places = [
        "/x",
        "/usr/x",
        "/usr/bin/python3",
        "/dev/x",
        "/etc/x",
        str(Path.home() / "x"),
        f"{sys.prefix}/x",
        "/proc/sys/x",
        "/var/tmp/x",
        "/run/x",
        str(Path(__file__).with_name("x")),
    ]
    source = f"""
for path in {places!r}:
    try:
        open(path, "w").write("x")
        print("WROTE", path)
    except OSError as error:
        print(error.errno)
"""
    outcome = python(either, source)
    assert outcome.succeeded, outcome
    assert b"WROTE" not in outcome.output


def test_it_is_another_user_without_privileges(either: Sandbox) -> None:
    source = """
import os
print(os.getuid() != 0 and not os.getgroups())
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")): print(line.split()[1].lstrip("0") or "0")
try: os.setuid(0); print("ROOT")
except OSError: pass
"""
    outcome = python(either, source)
    lines = outcome.output.decode().split()
    assert "ROOT" not in lines
    if os.geteuid() == 0:
        assert lines[0] == "True"
    assert set(lines[1:3]) == {"0"}, outcome  # the capabilities that it has, and those that it could take
    assert "1" in lines[3:]  # no new privileges


@pytest.fixture
def listener() -> Iterator[int]:
    """Listen on this machine, as the database does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_there_is_no_network(either: Sandbox, listener: int) -> None:
    source = f"""
import socket
for address in (("127.0.0.1", {listener}), ("10.255.255.1", 80), ("8.8.8.8", 53)):
    try:
        socket.create_connection(address, timeout=3)
        print("CONNECTED", address)
    except OSError as error:
        print(error.errno)
"""
    outcome = python(either, source)
    assert outcome.succeeded, outcome
    assert b"CONNECTED" not in outcome.output


def test_it_sees_no_other_process(either: Sandbox) -> None:
    outcome = python(either, "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")
    assert len(eval(outcome.output)) <= 3  # noqa: S307  # a list of numbers


def test_an_endless_loop_ends(sandbox: Sandbox) -> None:
    outcome = python(sandbox, "while True: pass", SandboxLimits(wall_seconds=1.5))
    assert outcome.stopped is Stopped.TIME
    assert outcome.reason(SandboxLimits(wall_seconds=1.5)) == "it took longer than 1.5 s"


def test_processor_time_is_limited_too(sandbox: Sandbox) -> None:
    outcome = python(sandbox, "while True: pass", SandboxLimits(wall_seconds=300, cpu_seconds=1))
    assert not outcome.succeeded
    assert outcome.stopped is None


@pytest.mark.parametrize(
    "source",
    ["x = bytearray(2**30)", "import os\nfor _ in range(8): os.fork()\nx = b'x' * 2**27\nimport time; time.sleep(300)"],
    ids=["one process", "many processes"],
)
def test_memory_is_limited(either: Sandbox, source: str) -> None:
    outcome = python(either, source, replace(SMALL, wall_seconds=300))
    assert not outcome.succeeded
    assert outcome.stopped in {None, Stopped.MEMORY}


def left_of(mark: str) -> list[psutil.Process]:
    """Return the processes with ``mark`` that are there still when the kernel has had time to end them."""
    until = time.monotonic() + 15
    while True:
        found = [each for each in psutil.process_iter(["cmdline"]) if mark in " ".join(each.info["cmdline"] or [])]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


def test_a_fork_bomb_is_contained(sandbox: Sandbox) -> None:
    mark = f"bomb-{os.getpid()}-{time.monotonic_ns()}"
    source = f"import os\nmark = {mark!r}\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    outcome = python(sandbox, source, SandboxLimits(wall_seconds=2, processes=16))
    assert outcome.stopped is not None
    assert left_of(mark) == []


def test_what_it_leaves_in_the_background_is_ended(either: Sandbox) -> None:
    mark = f"stray-{os.getpid()}-{time.monotonic_ns()}"
    source = f"""
import subprocess, sys
command = [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}]
subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
print("gone")
"""
    outcome = python(either, source)
    assert outcome.output == b"gone\n"
    assert outcome.stopped is None
    assert left_of(mark) == []


@pytest.mark.parametrize(
    "source",
    [
        "n = 0\nwhile True:\n    open(f'f{n}', 'wb').write(b'x' * 2**20); n += 1",
        "n = 0\nwhile True:\n    open(f'f{n}', 'wb'); n += 1",
        "import os, time\nfor n in range(30): os.mkdir('d' * 200); os.chdir('d' * 200)\ntime.sleep(60)",
    ],
    ids=["large files", "many files", "out of sight"],
)
def test_the_disk_is_not_filled(sandbox: Sandbox, source: str) -> None:
    outcome = python(sandbox, source)
    assert outcome.stopped is Stopped.DISK


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_scratch_space_is_small(either: Sandbox, place: str) -> None:
    source = f"n = 0\nwhile n < 300:\n    open(f'{place}/f{{n}}', 'wb').write(b'x' * 2**20); n += 1"
    outcome = python(either, source)
    assert outcome.status == 1
    assert b"OSError" in outcome.errors or b"PermissionError" in outcome.errors


def test_one_file_is_limited(sandbox: Sandbox) -> None:
    outcome = python(sandbox, "open('f', 'wb').write(b'x' * 2**23)")
    assert not outcome.succeeded


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_cut(sandbox: Sandbox, stream: str) -> None:
    outcome = python(sandbox, f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")
    assert outcome.stopped is Stopped.OUTPUT
    assert max(len(outcome.output), len(outcome.errors)) <= MIB


def test_links_are_not_followed_when_results_are_taken_out(either: Sandbox, secret: Path) -> None:
    source = f"""
import os
os.symlink({str(secret)!r}, "result")
os.symlink({str(secret.parent)!r}, "folder")
os.mkfifo("pipe")
"""
    outcome = python(either, source, collect=["result", f"folder/{secret.name}", "pipe"])
    assert outcome.succeeded, outcome
    assert outcome.files == {}


def test_nothing_is_written_outside_the_folder_when_it_is_filled(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError):
        python(sandbox, "", files={"../x": b""})


def test_a_folder_that_was_closed_is_removed_all_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    source = "import os; os.makedirs('a/b'); open('a/b/c', 'w').close(); os.chmod('a/b', 0); os.chmod('a', 0)"
    before = set(Path("/tmp").glob("slipway-sandbox-*"))
    assert python(sandbox, source).succeeded
    assert set(Path("/tmp").glob("slipway-sandbox-*")) <= before
    assert tmp_path.exists()


def test_a_folder_of_any_depth_is_removed_and_what_links_in_it_lead_to_is_not(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "file").touch(mode=0o644)
    with folders.folder() as made:
        (made / "work").mkdir()
        source = """
import os, sys
for number in range(3000):
    os.mkdir("a" * 9); os.symlink(sys.argv[1], "link"); os.symlink(sys.argv[1] + "/file", "other")
    open("file", "w").close(); os.chmod(".", 0o500); os.chdir("a" * 9)
"""
        subprocess.run([sys.executable, "-c", source, str(theirs)], cwd=made / "work", check=True)
    assert not made.exists()
    assert theirs.stat().st_mode & 0o777 == 0o755
    assert (theirs / "file").stat().st_mode & 0o777 == 0o644


def test_what_a_killed_worker_left_is_removed_and_what_runs_is_not(sandbox: Sandbox) -> None:
    left, used = (Path(tempfile.mkdtemp(prefix=PREFIX)) for _ in range(2))
    (left / "work" / "closed").mkdir(parents=True)
    (left / "work" / "closed").chmod(0)
    descriptor = os.open(used, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for each in (left, used):
        os.utime(each, (0, 0))
    assert python(sandbox, "").succeeded
    assert (left.exists(), used.exists()) == (False, True)
    os.close(descriptor)
    assert python(sandbox, "").succeeded
    assert not used.exists()


HALF_BUILT = """#!/bin/sh
# Bubblewrap stops where its outer process has started the inner one and tells who that is: nobody reads it.
exec 9<> {fifo}
dd if=/dev/zero bs=65536 count=1 >&9 2> /dev/null
exec {bwrap} --json-status-fd 9 "$@"
"""
KILLED = """
import sys
from workers.sandbox import Task, walls
from workers.sandbox.run import Sandbox
walls.SEARCH_PATH = (sys.argv[1], *walls.SEARCH_PATH)
Sandbox(walls.Wall.BUBBLEWRAP).run(Task(["python", "-I", "-c", ""]))
"""


def test_a_cell_that_was_half_built_when_its_worker_was_killed_is_ended(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "bwrap").write_text(HALF_BUILT.format(fifo=tmp_path / "fifo", bwrap=shutil.which("bwrap")))
    (tmp_path / "bwrap").chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def cell() -> list[psutil.Process]:
        # The script that stands before it has its name as well, but not this option.
        lines = [(each, str(each.info["cmdline"])) for each in psutil.process_iter(["cmdline"])]
        return [each for each, line in lines if "--json-status-fd" in line and str(tmp_path) in line]

    def until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline, cell()
            time.sleep(0.05)

    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=environment) as worker:
        until(lambda: len(cell()) == 2)
        worker.kill()
    # The outer process ends with the worker; the inner one would wait for ever.
    until(lambda: len(cell()) == 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        Sandbox()
    until(lambda: cell() == [])
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_run_can_be_stopped(sandbox: Sandbox) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    outcome = sandbox.run(Task(["python", "-I", "-c", "import time; time.sleep(30)"]), stop.is_set)
    assert outcome.stopped is Stopped.CANCELLED


def test_without_a_wall_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="install bubblewrap"):
        enclose(Wall.REFUSED, ["true"], tmp_path, (), SMALL)
    with pytest.raises(SandboxError):
        Sandbox(Wall.REFUSED).run(Task(["true"]))


WAITING = (
    "import os, sys; line = sys.stdin.readline().strip();"
    "print(line, os.getcwd(), sorted(os.listdir('.')), 'left' in os.listdir('/tmp'), os.getuid());"
    "open('/tmp/left', 'w').write('x'); open('left', 'w').write('x')"
)


def given(line: str, source: str = WAITING) -> Task:
    return Task(["python", "-I", "-c", source], files={f"{line}.txt": b"x"}, line=line, limits=SMALL)


@pytest.fixture
def ahead() -> Iterator[Sandbox]:
    """Return a sandbox that starts the next run ahead."""
    made = Sandbox(spares=True)
    yield made
    made.close()


def spares() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [each for each in found if WAITING in each.cmdline() and each.name().startswith("python")]


def waiting_ones() -> list[psutil.Process]:
    """Return those that wait for the next run, once there is one: it is started while the run before is answered."""
    until = time.monotonic() + 30
    while not (found := spares()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_a_run_that_was_started_ahead_finds_nothing_of_the_one_before(ahead: Sandbox) -> None:
    users = set()
    for line in ("one", "two", "three"):
        outcome = ahead.run(given(line))
        assert outcome.succeeded, outcome
        said, _, rest = outcome.output.decode().partition(" ")
        assert (said, rest.rpartition(" ")[0]) == (line, f"{WORK} ['{line}.txt'] False")
        users.add(rest.rpartition(" ")[2])
    assert len(users) == 3, "each is a user of its own"
    assert waiting_ones(), "one waits for the next"


def test_a_run_that_was_started_ahead_saves_its_imports(ahead: Sandbox) -> None:
    # The clock is the machine's, so it tells whether imports were done before the run was asked for.
    source = "import sys, time; time.sleep(0.2); ready = time.monotonic(); sys.stdin.readline(); print(ready)"
    until = time.monotonic() + 120
    while True:
        asked = time.monotonic()
        outcome = ahead.run(given("one", source))
        assert outcome.succeeded, outcome
        if float(outcome.output) < asked:
            break
        assert asked < until, "nothing was ever imported ahead"
        time.sleep(0.5)


def test_one_that_died_meanwhile_is_replaced(ahead: Sandbox) -> None:
    assert ahead.run(given("one")).succeeded
    for each in waiting_ones():
        around = [one for one in each.parents() if psutil.Process() in one.parents()]
        each.kill()
        gone([each, *around])
    assert ahead.run(given("two")).succeeded


def gone(processes: list[psutil.Process]) -> None:
    """Wait until processes have ended; their parent may not have heard of it."""
    until = time.monotonic() + 60
    while [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_nothing_waits_after_the_end(ahead: Sandbox) -> None:
    assert ahead.run(given("one")).succeeded
    waiting = waiting_ones()
    ahead.close()
    gone(waiting)
    assert ahead.run(given("two")).succeeded, "what comes late is done all the same"
    assert not spares()


def test_one_that_nobody_needs_is_given_up() -> None:
    class Run:
        ended = False

        def is_waiting(self) -> bool:
            return not self.ended

        def end(self) -> None:
            self.ended = True

    run = Run()
    kept = Spares(lambda _task: run, idle_seconds=0.1)
    kept.restock(given("one"))
    until = time.monotonic() + 60
    while not run.ended and time.monotonic() < until:
        time.sleep(0.05)
    assert run.ended
    assert kept.take(given("one")) is None


def test_one_thread_looks_after_all_that_wait_however_many_come_and_go() -> None:
    class Run:
        def is_waiting(self) -> bool:
            return True

        def end(self) -> None:
            ended.append(self)

    ended: list[Run] = []
    before = {each for each in threading.enumerate() if isinstance(each, threading.Timer)}
    kept = Spares(lambda _task: Run())
    left: list[int] = []
    for number in range(20):
        kept.restock(given("one"), partial(left.append, number))
        assert kept.take(given("one")) is not None
    kept.restock(given("one"))
    timers = {each for each in threading.enumerate() if isinstance(each, threading.Timer)} - before
    assert len(timers) == 1
    kept.close()
    assert (len(ended), left) == (1, list(range(20)))
    kept.restock(given("one"), partial(left.append, 20))
    assert left[-1] == 20, "what follows a run is done after the end, too"


def test_limits_hold_for_what_was_started_ahead(ahead: Sandbox) -> None:
    source = "import sys; sys.stdin.readline()\nwhile True: pass"
    limits = SandboxLimits(wall_seconds=1.5, cpu_seconds=10)
    for _ in range(2):
        task = Task(["python", "-I", "-c", source], line="go", limits=limits)
        assert ahead.run(task).stopped is Stopped.TIME
