"""Copies of the supervisor are what they would be had they been started: nothing of it but what it has imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workers.embedded.image import Image

ROOT = Path(__file__).parents[3]
COPIED = """
import atexit, json, os, signal, sys, time

def main():
    if sys.argv[1:] == ["wait"]:
        print("waits")
        time.sleep(60)
    atexit.register(print, "what is done at the end", file=sys.stderr)
    links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
    umask = os.umask(0)
    print(json.dumps({
        "listed": open("/proc/self/cmdline").read().split("\\0")[:4],
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "open": [os.readlink(each) for each in links if os.path.exists(each)],
        "leads": os.getpgid(0) == os.getpid(),
        "umask": umask,
        "hears": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "imported": "imported_before" in sys.modules,
    }))
    print("a word of trouble", file=sys.stderr)
    return 3
"""
SUPERVISOR = """
import atexit, json, os, signal, subprocess, sys, threading, time, types
from pathlib import Path
from workers.embedded import image
from workers.embedded.launch import Command, start_or_copy

folder = Path(sys.argv[1])
image._imports = lambda: iter([sys.modules.setdefault("imported_before", sys)])
made = image.Image()
while not made.load():
    pass
signal.signal(signal.SIGTERM, lambda *_: None)
atexit.register(lambda: (folder / "left").touch() if os.getpid() != supervisor else None)
supervisor = os.getpid()
secret = (folder / "secret").open("w")

def run(*arguments):
    command = Command(["/bin/echo", "started"], folder, {"PATH": "/bin"}, module=("copied", *arguments), image=made)
    with (folder / "log").open("ab") as log:
        return start_or_copy(command, log, subprocess.PIPE)

told = run("one")
said = json.loads(told.stdout.read())
again = []
for _ in range(3):
    killed = run("wait")
    killed.stdout.readline()
    killed.kill()
    # It is noticed, not waited for, as the supervisor does.
    while killed.poll() is None:
        pass
    del killed
    again.append(run("one").wait(30))
waits = run("wait")
waits.stdout.readline()
try:
    waits.wait(0.01)
except subprocess.TimeoutExpired:
    lives = waits.poll() is None
waits.send_signal(signal.SIGTERM)
ended = waits.wait(30)
library, image._LIBC = image._LIBC, types.SimpleNamespace(prctl=image._LIBC.prctl)
without_arenas = run("one").wait(30)
image._LIBC = library
os.register_at_fork(after_in_child=lambda: time.sleep(0.5))
soon = run("wait")
soon.send_signal(signal.SIGTERM)
ended_soon = soon.wait(30)
threading.Thread(target=threading.Event().wait, daemon=True).start()
beside_a_thread = run("one").stdout.read().decode()
code = told.wait(30)
print(json.dumps({
    **said, "code": code, "lives": lives, "ended": ended, "soon": ended_soon, "beside": beside_a_thread,
    "again": again, "without_arenas": without_arenas
}))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Have a process copied, another ended, and a third started beside a thread; say what they told."""
    folder = tmp_path_factory.mktemp("copied")
    (folder / "copied.py").write_text(COPIED)
    environment = {"PYTHONPATH": f"{ROOT}:{folder}", "PATH": "/usr/bin:/bin", "SECRET": "of the supervisor"}
    command = [sys.executable, "-c", SUPERVISOR, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "folder": str(folder), "log": (folder / "log").read_text()}


def test_a_copy_is_made_again_after_one_was_killed(copied: dict[str, Any]) -> None:
    assert copied["again"] == [3, 3, 3]


def test_a_copy_has_what_it_was_given_and_nothing_else(copied: dict[str, Any]) -> None:
    assert copied["environment"] == {"PATH": "/bin"}
    assert copied["directory"] == copied["folder"]
    assert copied["umask"] == 0o077
    assert copied["leads"]
    assert copied["hears"], "the supervisor's handlers of signals are not the copy's"
    assert not [each for each in copied["open"] if "secret" in each]
    assert copied["log"].startswith("a word of trouble\n")


def test_a_copy_is_listed_as_what_it_is(copied: dict[str, Any]) -> None:
    assert copied["listed"] == ["python", "-m", "copied", "one"]


def test_what_was_imported_is_there(copied: dict[str, Any]) -> None:
    assert copied["imported"]


def test_a_copy_ends_as_a_program_does(copied: dict[str, Any]) -> None:
    assert (copied["code"], copied["lives"], copied["ended"]) == (3, True, -15)


def test_a_copy_does_what_programs_do_at_their_end(copied: dict[str, Any]) -> None:
    assert copied["log"].endswith("what is done at the end\n")
    assert not Path(copied["folder"], "left").exists(), "what the supervisor does at its end is not the copy's"


def test_a_copy_that_is_told_to_end_before_it_has_begun_ends(copied: dict[str, Any]) -> None:
    assert copied["soon"] == -15


def test_a_copy_needs_nothing_that_some_systems_lack(copied: dict[str, Any]) -> None:
    assert copied["without_arenas"] == 3


def test_beside_a_thread_the_program_is_started(copied: dict[str, Any]) -> None:
    assert copied["beside"] == "started\n"


def test_what_cannot_be_imported_is_left_to_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.embedded.image._MAIN_MODULES", ("json", "no.such.module"))
    image = Image()
    while not image.load():
        pass
    assert not image.can_copy()
