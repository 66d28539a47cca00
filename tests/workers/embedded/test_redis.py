"""The embedded Redis keeps what it acknowledged, listens nowhere but on its socket, and is closed to others."""

import stat
import time
from pathlib import Path

import psutil
import pytest
import redis

from workers.embedded.errors import AlreadyRunningError
from workers.embedded.redis import EmbeddedRedis


def _start(data: Path) -> EmbeddedRedis:
    server = EmbeddedRedis(data, data / "run")
    server.start()
    server.wait_ready()
    return server


def test_values_survive_a_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = _start(data)
    with redis.Redis.from_url(server.url()) as client:
        client.set("kept", "1")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 10, "it is killed after three seconds"
    server = _start(data)
    with redis.Redis.from_url(server.url()) as client:
        assert client.get("kept") == b"1"
    server.stop()


def test_a_killed_server_starts_again_with_its_values(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = _start(data)
    with redis.Redis.from_url(server.url()) as client:
        client.set("kept", "1")
    time.sleep(1.2)  # what is written within the last second may be lost: appendfsync everysec
    assert server.process is not None
    server.process.kill()
    server.stop()
    server = _start(data)
    with redis.Redis.from_url(server.url()) as client:
        assert client.get("kept") == b"1"
    server.stop()


def test_there_is_no_network_port_and_the_files_are_closed(tmp_path: Path) -> None:
    server = _start(tmp_path / "data")
    assert server.process is not None
    assert psutil.Process(server.process.pid).net_connections("tcp") == []
    assert stat.S_IMODE((tmp_path / "data" / "redis").stat().st_mode) == 0o700
    server.stop()


def test_a_second_start_on_the_same_data_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = _start(data)
    with pytest.raises(AlreadyRunningError, match=r"the queue in .* is already in use by process \d+;"):
        EmbeddedRedis(data, data / "run").start()
    server.stop()
