"""Applications under the process host: their life, their logs, and what outlives what."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from workers.process_host import IDENTIFIER, Limits, ProcessHostError, ProcessSpec, ProcessState


def spec(host: Any, process_id: str = "one", **changes: Any) -> ProcessSpec:
    values = {"environment_id": "env", "name": "web", "command": "python3 app.py"} | changes
    return ProcessSpec(id=process_id, **({"directory": host.application(values["environment_id"])} | values))


def serves(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/app.py", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_process_is_started_once_listed_and_stopped(host: Any) -> None:
    started = host.client.start(spec(host))
    host.wait_until(lambda: serves(started.port))

    assert host.client.start(spec(host)) == started
    assert [status.id for status in host.client.list("env")] == ["one"]
    assert host.client.list("other") == ()
    assert host.client.log_tail("one")[0] == f"up on {started.port}"

    host.client.stop("one")
    host.client.stop("one")
    assert host.client.status("one") is None
    assert not serves(started.port)
    assert not runs(started.pid)
    assert host.client.log_tail("one"), "the log stays readable"


def test_process_that_was_never_healthy_is_not_started_again(host: Any) -> None:
    host.client.start(spec(host, command="echo bye; exit 4"))

    host.wait_until(lambda: host.client.status("one").state is ProcessState.EXITED)

    status = host.client.status("one")
    assert (status.exit_code, status.restarts, status.pid) == (4, 0, 0)
    assert host.client.log_tail("one") == ("bye",)


def test_healthy_process_that_crashes_is_started_again_on_its_port(host: Any) -> None:
    started = host.client.start(spec(host))
    host.wait_until(lambda: serves(started.port))
    host.client.mark_healthy("one")

    os.kill(started.pid, signal.SIGKILL)
    host.wait_until(lambda: host.client.status("one").restarts == 1)
    host.wait_until(lambda: serves(started.port))

    again = host.client.status("one")
    assert (again.state, again.port, again.exit_code) == (ProcessState.HEALTHY, started.port, -signal.SIGKILL)
    assert again.pid != started.pid


def test_stop_ends_everything_that_the_application_started(host: Any) -> None:
    stubborn = "trap '' TERM; (sleep 300 & sleep 301 & wait) & while true; do sleep 0.1; done"
    started = host.client.start(spec(host, command=stubborn))
    host.wait_until(lambda: len(psutil.Process(started.pid).children(recursive=True)) >= 3)
    family = [started.pid, *(child.pid for child in psutil.Process(started.pid).children(recursive=True))]

    begin = time.monotonic()
    host.client.stop("one", grace_seconds=0.3)

    assert time.monotonic() - begin < 3
    assert [pid for pid in family if runs(pid)] == []


def test_host_restart_starts_what_was_wanted_on_the_same_ports(host: Any) -> None:
    first = host.client.start(spec(host, "one"))
    second = host.client.start(spec(host, "two", environment_id="other", env={"GREETING": "hello"}))
    host.wait_until(lambda: serves(first.port) and serves(second.port))
    host.client.mark_healthy("one")

    begin = time.monotonic()
    host.stop()
    assert time.monotonic() - begin < 5
    assert not serves(first.port)
    assert not serves(second.port)

    host.start()
    host.wait_until(lambda: serves(first.port) and serves(second.port))
    ports = {status.id: status.port for status in host.client.list()}
    assert ports == {"one": first.port, "two": second.port}


def test_killed_host_takes_its_applications_along(host: Any) -> None:
    started = host.client.start(spec(host, command="python3 -c 'import time; time.sleep(300)' & exec python3 app.py"))
    host.wait_until(lambda: serves(started.port))
    (straggler,) = psutil.Process(started.pid).children()

    host.process.kill()
    host.process.wait()
    host.wait_until(lambda: not serves(started.port), 3)

    host.start()
    assert not runs(straggler.pid), "what the application had started is gone once the host is back"
    host.wait_until(lambda: serves(started.port))


def test_port_taken_while_the_host_was_away_is_waited_for(host: Any) -> None:
    started = host.client.start(spec(host))
    host.wait_until(lambda: serves(started.port))
    host.stop()
    with socket.create_server(("127.0.0.1", started.port)):
        host.start()
        host.wait_until(lambda: host.client.status("one").state is ProcessState.WAITING)
    host.wait_until(lambda: serves(started.port))


def test_endless_output_keeps_logs_and_memory_small(host: Any) -> None:
    host.client.start(spec(host, "warm", command="echo warm"))
    before = psutil.Process(host.process.pid).memory_info().rss

    host.client.start(spec(host, command="head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo done"))
    host.wait_until(lambda: host.client.status("one").state is ProcessState.EXITED, 60)

    files = list((host.data / "processes" / "logs").glob("one.log*"))
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) <= 2 * 5 * 1024 * 1024
    assert host.client.log_tail("one", lines=1)[0].endswith("done")
    assert psutil.Process(host.process.pid).memory_info().rss - before < 10 * 1024 * 1024


def test_limits_hold(host: Any) -> None:
    greedy = "python3 -c 'print(len(bytearray(300_000_000)))'; ulimit -n; ulimit -p"

    host.client.start(spec(host, command=greedy, limits=Limits(memory_mb=100, open_files=77, processes=33)))
    host.wait_until(lambda: host.client.status("one").state is ProcessState.EXITED)

    lines = host.client.log_tail("one")
    assert "MemoryError" in lines[-3]
    assert lines[-2:] == ("77", "33")


def test_mistakes_are_named(host: Any) -> None:
    with pytest.raises(ProcessHostError, match="directory") as caught:
        host.client.start(spec(host, directory="/no/such/directory"))
    assert caught.value.code == "invalid"
    assert host.client.list() == ()
    with pytest.raises(ProcessHostError, match="environment_id"):
        host.client.start(ProcessSpec("x", "../up", "web", "/", "true"))
    with pytest.raises(ProcessHostError, match="there is no such process"):
        host.client.mark_healthy("nobody")
    assert not IDENTIFIER.fullmatch("../up")


def test_second_host_on_the_same_data_refuses(host: Any) -> None:
    done = subprocess.run(host.command, capture_output=True, text=True, timeout=20)

    assert done.returncode == 1
    assert "another process host already serves" in done.stderr
    assert host.answers()


def test_unreachable_host_is_an_error_with_a_hint(host: Any) -> None:
    host.stop()
    with pytest.raises(ProcessHostError, match="is it running") as caught:
        host.client.list()
    assert caught.value.code == "unreachable"
    assert not Path(host.socket).exists()


def test_a_component_may_be_called_health_and_what_asks_for_health_has_no_log(host: Any) -> None:
    for process_id in ("env.health.0a1b2c3d", "env.web.health.0a1b2c3d", "env.web.0a1b2c3d"):
        host.client.start(spec(host, process_id, command=f"echo {process_id}"))
        host.wait_until(lambda process_id=process_id: host.client.log_tail(process_id))

    with httpx.Client(transport=httpx.HTTPTransport(uds=str(host.socket))) as client:
        answer = client.get("http://host/environments/env/logs").json()
    told = {each["name"]: each["lines"] for each in answer["logs"]}

    assert told == {"health": ["env.health.0a1b2c3d"], "web": ["env.web.0a1b2c3d"]}


def test_a_start_that_arrives_after_the_clearing_is_refused(host: Any) -> None:
    """The order that a killed operation may bring about: its request is on its way while everything is cleared."""
    body = json.dumps(spec(host).as_json()).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as late:
        late.connect(str(host.socket))
        head = f"PUT /processes/one HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        late.sendall(head.encode() + body[:-1])
        host.client.close_gate("env")
        assert host.client.list("env") == ()
        late.sendall(body[-1:])
        answer = late.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.0 409")
    assert '"code": "closed"' in answer
    assert host.client.list("env") == ()

    host.client.start(spec(host, "two", environment_id="other"))
    host.client.start(spec(host))
    assert {status.id for status in host.client.list()} == {"one", "two"}


def test_a_gate_stays_closed_when_the_host_starts_again(host: Any) -> None:
    host.client.close_gate("env")
    host.process.kill()
    host.process.wait()
    host.start()
    host.client.start(spec(host))
    body = json.dumps({**spec(host, "late").as_json(), "gate": 0})
    connection = httpx.Client(transport=httpx.HTTPTransport(uds=str(host.socket)))
    with connection:
        assert connection.put("http://host/processes/late", content=body).status_code == 409


def test_what_cannot_be_started_again_is_tried_later_and_takes_nobody_along(host: Any) -> None:
    other, one = host.client.start(spec(host, "other", environment_id="other")), host.client.start(spec(host))
    host.wait_until(lambda: serves(other.port) and serves(one.port))
    host.client.mark_healthy("one")
    home = host.data / "processes" / "homes" / "env"
    shutil.rmtree(home)
    home.write_text("in the way")
    os.kill(one.pid, signal.SIGKILL)
    host.wait_until(lambda: "could not be started" in "".join(host.client.log_tail("one")))
    assert host.client.status("other").pid == other.pid
    home.unlink()
    host.wait_until(lambda: serves(one.port))
