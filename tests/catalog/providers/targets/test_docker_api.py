"""Asking a container engine, where the engine takes its time."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.providers.targets.docker_api import DockerEngine, DockerError


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[DockerEngine, socket.socket]]:
    """Give an engine that takes connections and answers nothing, and the socket that it takes them from."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        yield DockerEngine(str(path)), listener


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\nbegun"])
def test_nobody_waits_for_an_answer_once_told_to_stop(
    silent: tuple[DockerEngine, socket.socket], answer: bytes
) -> None:
    engine, listener = silent
    stop, failures = threading.Event(), list[DockerError]()

    def ask() -> None:
        try:
            engine.ask("POST", "/exec/x/start", seconds=600, stop=stop)
        except DockerError as error:
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(60)
        assert connection.recv(65536).startswith(b"POST /v1.41/exec/x/start")
        connection.sendall(answer)
        stop.set()
        assert connection.recv(65536) == b"", "the engine is told that nobody waits"
        asking.join(60)
    assert [(each.status, each.message) for each in failures] == [(0, "the operation was cancelled")]


def test_an_answer_that_comes_is_taken_where_nobody_says_stop(silent: tuple[DockerEngine, socket.socket]) -> None:
    engine, listener = silent

    def reply() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    replying = threading.Thread(target=reply)
    replying.start()
    assert engine.ask("GET", "/info", stop=threading.Event()) == (200, b"{}")
    replying.join(60)
