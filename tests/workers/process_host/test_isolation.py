"""What applications can and cannot reach, in each of the ways to keep them apart."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from workers.process_host import ProcessHostError, ProcessSpec, ProcessState, ports

PROBE = """
import json, os, pathlib, socket, sys

def tried(action):
    try:
        action()
        return "yes"
    except OSError:
        return "no"

data = pathlib.Path(sys.argv[1])
home = pathlib.Path(os.environ["HOME"])
host = socket.socket(socket.AF_UNIX)
print(json.dumps({
    "own files": tried(lambda: pathlib.Path("app.py").read_text()),
    "change own files": tried(lambda: pathlib.Path("app.py").write_text("changed")),
    "home": tried(lambda: (home / "note").write_text("x")),
    "temporary": tried(lambda: pathlib.Path(os.environ["TMPDIR"], "note").write_text("x")),
    "list data": tried(lambda: os.listdir(data)),
    "keys": tried(lambda: (data / "keys" / "master").read_text()),
    "state": tried(lambda: os.listdir(data / "pulumi-state")),
    "host": tried(lambda: host.connect(str(data / "run" / "host.sock"))),
    "table": tried(lambda: (data / "processes" / "table.json").read_text()),
    "other files": tried(lambda: (data / "environments" / "other" / "files" / "app.py").read_text()),
    "other home": tried(lambda: os.listdir(data / "processes" / "homes" / "other")),
    "groups": os.getgroups(),
    "uid": os.getuid(),
    "privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")][0],
}), flush=True)
"""

MAY = {"own files", "home", "temporary"}
MAY_NOT = {"list data", "keys", "state", "host", "table", "other files", "other home"}


def probe(host: Any, environment: str) -> dict[str, Any]:
    directory = host.application(environment, PROBE)
    command = f"python3 app.py {host.data}"
    host.client.start(ProcessSpec(f"probe-{environment}", environment, "web", directory, command))
    host.wait_until(lambda: host.client.status(f"probe-{environment}").state is ProcessState.EXITED)
    lines = host.client.log_tail(f"probe-{environment}")
    assert lines, "the application wrote nothing"
    return dict(json.loads(lines[-1]))


def furnish(host: Any) -> None:
    for name in ("keys", "pulumi-state"):
        (host.data / name).mkdir()
    (host.data / "keys" / "master").write_text("secret")


def test_user_per_environment_keeps_everything_apart(make_host: Callable[..., Any]) -> None:
    assert os.geteuid() == 0, "run the tests as root on Linux, or this isolation stays untested"
    host = make_host("--isolation", "user")
    furnish(host)
    host.start()
    first = probe(host, "other")

    second = probe(host, "env")

    assert host.client.health()["isolation"] == "user"
    assert {name: second[name] for name in MAY} == dict.fromkeys(MAY, "yes")
    assert {name: second[name] for name in MAY_NOT | {"change own files"}} == dict.fromkeys(
        MAY_NOT | {"change own files"}, "no"
    )
    assert (second["groups"], second["privileges"]) == ([], "1")
    assert second["uid"] != first["uid"]
    assert min(first["uid"], second["uid"]) >= 10_000


def test_hosts_on_one_machine_use_different_users(make_host: Callable[..., Any]) -> None:
    hosts = [make_host("--isolation", "user"), make_host("--isolation", "user")]
    users = set()
    for host in hosts:
        host.start()
        users.add(probe(host, "env")["uid"])

    assert len(users) == 2


def test_bubblewrap_keeps_everything_apart(make_host: Callable[..., Any]) -> None:
    host = make_host("--isolation", "bubblewrap")
    furnish(host)
    host.start()
    assert host.client.health()["isolation"] == "bubblewrap", "install bubblewrap (Debian: apt install bubblewrap)"
    probe(host, "other")

    found = probe(host, "env")

    assert {name: found[name] for name in MAY} == dict.fromkeys(MAY, "yes")
    # It may look at the data directory, where nothing but its own files is to be seen.
    hidden = MAY_NOT - {"list data"}
    assert {name: found[name] for name in hidden} == dict.fromkeys(hidden, "no")


def test_data_directory_that_users_cannot_reach_is_named(make_host: Callable[..., Any]) -> None:
    host = make_host("--isolation", "user")
    hidden = host.data / "hidden"
    hidden.mkdir(mode=0o700)
    host.start()

    with pytest.raises(ProcessHostError, match=f"chmod o\\+x {hidden}") as caught:
        host.client.start(ProcessSpec("x", "env", "web", str(hidden), "true"))

    assert caught.value.code == "isolation"


@pytest.mark.parametrize("way", ["link/sub", "link", "files/link/sub", "files/../link/sub"])
def test_what_lies_behind_a_link_of_the_repository_is_neither_opened_nor_entered(
    make_host: Callable[..., Any], way: str
) -> None:
    host = make_host("--isolation", "user")
    private = host.data / "environments" / "other" / "private"
    (private / "sub").mkdir(parents=True)
    private.chmod(0o700)
    host.application("env")
    top = host.data / "environments" / "env"
    for folder in (top, top / "files"):
        (folder / "link").symlink_to(private)
    host.start()

    with pytest.raises(ProcessHostError, match="leads through a link"):
        host.client.start(ProcessSpec("x", "env", "web", f"{top}/{way}", "true"))

    assert private.stat().st_mode & 0o777 == 0o700


def test_without_isolation_applications_are_refused_unless_asked_for(make_host: Callable[..., Any]) -> None:
    # Bubblewrap is wanted and cannot be found: there is no way to isolate.
    bare = ("env", "PATH=/nonexistent")
    refusing = make_host("--isolation", "bubblewrap", prefix=bare)
    accepting = make_host("--isolation", "bubblewrap", "--insecure-local", prefix=bare)
    refusing.start()
    accepting.start()

    with pytest.raises(ProcessHostError, match="--insecure-local") as caught:
        refusing.client.start(ProcessSpec("x", "env", "web", refusing.application("env"), "true"))
    assert caught.value.code == "isolation"
    directory = accepting.application("env")
    accepting.client.start(ProcessSpec("x", "env", "web", directory, "id -u"))
    accepting.wait_until(lambda: accepting.client.status("x").state is ProcessState.EXITED)
    assert accepting.client.log_tail("x") == (str(os.geteuid()),)
    assert accepting.client.health()["isolation"] == "none"


# Each generation leaves its session, starts the next and ends; what is killed one by one outlives its killer.
HOPPER = """
import os, pathlib, sys, time

pathlib.Path(os.environ["HOME"], "hopping").touch()
end = time.monotonic() + 60
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


def test_what_runs_away_from_its_session_ends_with_the_environment(make_host: Callable[..., Any]) -> None:
    host = make_host("--isolation", "user")
    host.start()
    directory = host.application("env", HOPPER)
    command = "for n in $(seq 40); do python3 app.py & done; sleep 60"
    host.client.start(ProcessSpec("x", "env", "web", directory, command))
    home = host.data / "processes" / "homes" / "env"
    host.wait_until((home / "hopping").exists)
    uid = home.stat().st_uid

    host.client.stop("x", grace_seconds=0.2)

    time.sleep(0.5)
    living = [each for each in psutil.process_iter(["uids", "status"]) if each.info["uids"].real == uid]
    assert [each for each in living if each.info["status"] != psutil.STATUS_ZOMBIE] == []


DAEMON = """
import os, socket, time

if os.fork() == 0:
    os.setsid()
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    print("listening", flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_daemon_ends_with_its_process_though_the_environment_goes_on(make_host: Callable[..., Any]) -> None:
    host = make_host("--isolation", "user")
    host.start()
    directory = host.application("env", DAEMON)
    stays = host.client.start(ProcessSpec("stays", "env", "web", directory, "python3 app.py"))
    goes = host.client.start(ProcessSpec("goes", "env", "web", directory, "python3 app.py"))
    for name in ("stays", "goes"):
        host.wait_until(lambda name=name: "listening" in host.client.log_tail(name))

    host.client.stop("goes", grace_seconds=0.2)

    host.wait_until(lambda: ports.is_free(goes.port), 3)
    assert not ports.is_free(stays.port)
