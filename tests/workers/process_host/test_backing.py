"""Databases behind applications: real servers, closed to everybody without the password, whose data outlives them."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError

from workers.engine.plugin import answers
from workers.engine.plugin.backing import BackingResource
from workers.engine.plugin.resource import ResourceFailure
from workers.engine.plugin.seed import SeedResource

PASSWORD = "a-password-of-its-own_1"


def inputs(environment: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"environment_id": environment, "name": "db", "kind": kind, "password": PASSWORD, "limits": {}, **more}


def resource(host: Any) -> BackingResource:
    return BackingResource(host.client, Event(), host.data)


def connect(port: int, password: str = PASSWORD) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=port, user="app", password=password, dbname="app", autocommit=True, connect_timeout=10
    )


def ask(port: int, *lines: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        connection.shutdown(socket.SHUT_WR)
        parts = iter(lambda: connection.recv(4096), b"")
        return b"".join(parts).decode()


@pytest.fixture(scope="module")
def host(make_module_host: Callable[..., Any]) -> Iterator[Any]:
    made = make_module_host()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def environment() -> str:
    return uuid4().hex


def test_a_database_keeps_its_data_while_it_is_stopped(host: Any, environment: str) -> None:
    database = resource(host)
    checked, problems = database.check(inputs(environment, "postgres"))
    assert problems == []
    made = database.create(checked)
    with connect(made.outputs["port"]) as connection:
        connection.execute("CREATE TABLE people (name text)")
        connection.execute("INSERT INTO people VALUES ('Ann')")
    with pytest.raises(psycopg.OperationalError):
        connect(made.outputs["port"], "another")
    database.delete(made.id, {})
    assert host.client.list(environment) == ()
    again = database.create(checked)
    with connect(again.outputs["port"]) as connection:
        assert connection.execute("SELECT name FROM people").fetchall() == [("Ann",)]
    assert PASSWORD not in "\n".join(host.client.log_tail(again.id, lines=1000))
    database.delete(again.id, {})


@pytest.mark.parametrize("isolation", ["user", "bubblewrap"])
def test_a_redis_keeps_its_data_and_asks_for_the_password(
    make_host: Callable[..., Any], environment: str, isolation: str
) -> None:
    host = make_host("--isolation", isolation)
    host.start()
    server = resource(host)
    checked, problems = server.check(inputs(environment, "redis"))
    assert problems == []
    made = server.create(checked)
    assert "NOAUTH" in ask(made.outputs["port"], "GET key")
    assert ask(made.outputs["port"], f"AUTH {PASSWORD}", "SET key value").endswith("+OK\r\n")
    server.delete(made.id, {})
    again = server.create(checked)
    assert "value" in ask(again.outputs["port"], f"AUTH {PASSWORD}", "GET key")
    server.delete(again.id, {})


def test_object_storage_speaks_s3_to_who_has_the_key_and_keeps_what_it_has(host: Any, environment: str) -> None:
    storage = resource(host)
    checked, problems = storage.check(inputs(environment, "objects"))
    assert problems == []

    def client(port: int, secret: str) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="app",
            aws_secret_access_key=secret,
        )

    made = storage.create(checked)
    client(made.outputs["port"], PASSWORD).put_object(Bucket="app", Key="a/b.txt", Body=b"kept")
    with pytest.raises(ClientError):
        client(made.outputs["port"], "another").get_object(Bucket="app", Key="a/b.txt")
    storage.delete(made.id, {})
    again = storage.create(checked)
    found = client(again.outputs["port"], PASSWORD).get_object(Bucket="app", Key="a/b.txt")
    assert found["Body"].read() == b"kept"
    storage.delete(again.id, {})


def test_what_is_no_server_is_refused_and_what_does_not_start_says_why(host: Any, environment: str) -> None:
    database = resource(host)
    assert database.check(inputs(environment, "oracle"))[1]
    assert database.check(inputs(environment, "redis", password="two words"))[1]
    with pytest.raises(ResourceFailure, match="db: not ready"):
        database.create(inputs(environment, "postgres", limits={"memory_mb": 1}))
    assert host.client.list(environment) == ()


def test_a_database_begins_once_with_its_seed(host: Any, environment: str) -> None:
    database, seeds = resource(host), SeedResource(host.client, Event(), host.data)
    made = database.create(inputs(environment, "postgres"))
    files = Path(host.application(environment))
    (files / "seed.sql").write_text("CREATE TABLE people (name text); INSERT INTO people VALUES ('Ann');")
    port = str(made.outputs["port"])
    env = {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "app", "PGDATABASE": "app", "PGPASSWORD": PASSWORD}
    seed = {"environment_id": environment, "database": "db", "directory": str(files), "env": env}
    with pytest.raises(ResourceFailure, match=r"(?s)db-seed: .* ended with 1.*missing.sql"):
        seeds.create({**seed, "sql": "missing.sql"})
    checked, problems = seeds.check({**seed, "sql": "seed.sql"})
    assert problems == []
    for _time in range(2):
        seeds.create(checked)
    seeds.create({**seed, "command": "exit 1"})  # another commit's seed is not asked for any more
    with connect(made.outputs["port"]) as connection:
        assert connection.execute("SELECT name FROM people").fetchall() == [("Ann",)]
    assert seeds.read("x", checked) == checked

    # Killed in the middle of a command, and after all of it but before anybody knew.
    half = "psql -X -q -c 'CREATE TABLE half (x int)'"
    notes = host.data / "environments" / environment / "data"
    (notes / "db.seeded").unlink()
    with pytest.raises(ResourceFailure, match="ended with 7"):
        seeds.create({**seed, "command": f"{half} && exit 7"})
    seeds.create({**seed, "command": f"{half} && psql -X -q -f seed.sql"})
    with connect(made.outputs["port"]) as connection:
        assert connection.execute("SELECT name FROM people").fetchall() == [("Ann",)]
    assert sorted(each.name for each in notes.iterdir()) == ["db", "db.seeded"]
    assert answers.postgres(made.outputs["port"], "wrong")
    assert "nothing listens" in answers.redis(1, PASSWORD)
    database.delete(made.id, {})
