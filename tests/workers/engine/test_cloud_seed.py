"""Filling a database in a cloud, through the real engine: a stand-in at the end of the wire answers as ECS does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.workers.engine.conftest import LocalTarget
from workers.engine import EngineError, ErrorKind, ProgramResource, StackProgram, StackRef, StackRequest
from workers.engine.pulumi_automation import PulumiAutomationEngine

PASSWORD = "a-password-of-the-database"


class Ecs(ThreadingHTTPServer):
    """Runs nothing, and says how each task ended: with one of ``codes`` after the other; None goes on until stopped."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.codes: list[int | None] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.signed: set[str] = set()
        self.stopped = False

    def runs(self) -> int:
        return sum(operation == "RunTask" for operation, _ in self.asked)

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, asked))
        task = {"taskArn": f"arn:aws:ecs:eu-central-1:1:task/apps/{self.runs()}"}
        if operation == "ListTasks":
            going = bool(self.runs()) and self.codes[self.runs() - 1] is None and not self.stopped
            return {"taskArns": [task["taskArn"]] if going else []}
        if operation == "RunTask":
            return {"tasks": [task], "failures": []}
        if operation == "StopTask":
            self.stopped = True
            return {"task": task}
        if operation == "GetLogEvents":
            return {"events": [{"message": f"ERROR: no such table, asked with {PASSWORD}"}]}
        code = self.codes[self.runs() - 1]
        if code is None and not self.stopped:
            return {"tasks": [{**task, "lastStatus": "RUNNING"}]}
        ended = {"lastStatus": "STOPPED", "stoppedReason": "Essential container in task exited"}
        return {"tasks": [{**task, **ended, "containers": [{"name": "fill", "exitCode": code}]}]}


class _Answers(BaseHTTPRequestHandler):
    server: Ecs

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.signed.add(self.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        said = json.dumps(self.server.answer(operation, json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def ecs() -> Iterator[Ecs]:
    with Ecs() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Bench:
    """An engine with the keys of the stand-in, and the program of one filling."""

    def __init__(self, target: LocalTarget, ecs: Ecs, name: str) -> None:
        keys = {
            "AWS_ACCESS_KEY_ID": "AKIDOFTHISTEST",
            "AWS_SECRET_ACCESS_KEY": "hidden",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ecs.server_port}",
        }
        self.engine = PulumiAutomationEngine(replace(target.configuration, credentials=keys))
        self.target = target
        self.name = name

    def request(self, sql: str = "seed.sql") -> StackRequest:
        (self.target.repository / "seed.sql").write_text("CREATE TABLE things (name text);\n")
        commit = self.target.commit(self.name)
        directory = self.target.data / "environments" / self.name / commit[:12]
        own = {"repository": str(self.target.repository), "commit": commit, "directory": str(directory)}
        job = {
            "region": "eu-central-1",
            "cluster": "apps",
            "task": "fill:1",
            "family": "fill",
            "subnets": ["subnet-1"],
            "security_groups": ["sg-1"],
            "steps": ["fill"],
            "log_group": "/slipway/e",
            "log_prefix": "db-seed",
        }
        seed = {
            "environment_id": self.name,
            "database": "db",
            "server": "db-1",
            "cloud": "aws",
            "job": job,
            "env": {"PGPASSWORD": PASSWORD, "PGPORT": "5432", "SLIPWAY_SEED": "${script_db.packed}"},
            "problem": "${script_db.problem}",
        }
        script = {"directory": "${files_own.directory}", "sql": sql, "database": "db"}
        resources = (
            ProgramResource("files_own", "slipway:local:Checkout", own),
            ProgramResource("script_db", "slipway:cloud:Script", script),
            ProgramResource("db_seed", "slipway:cloud:Seed", seed, secret_inputs=("env",)),
        )
        return StackRequest(
            StackRef("environments", self.name), "correct horse", StackProgram(resources=resources), time_limit=120
        )


def test_a_database_is_filled_once_and_what_failed_says_why(target: LocalTarget, ecs: Ecs) -> None:
    bench = Bench(target, ecs, "cloud-seed")
    ecs.codes = [3, 0]
    with pytest.raises(EngineError) as failed:
        bench.engine.up(bench.request())
    assert failed.value.message.startswith("db-seed: what the database begins with did not come to a good end.")
    assert "fill ended with 3" in failed.value.message
    assert "ERROR: no such table, asked with [secret]" in failed.value.message
    assert PASSWORD not in failed.value.message

    with pytest.raises(EngineError, match=r"db: there is no readable other.sql in the application's files"):
        bench.engine.up(bench.request("other.sql"))
    assert ecs.runs() == 1
    bench.engine.up(bench.request())
    assert ecs.runs() == 2
    # Once it is filled, later commits may do without the file.
    for sql in ("seed.sql", "other.sql"):
        bench.engine.up(bench.request(sql))
        bench.engine.refresh(bench.request(sql))
    assert ecs.runs() == 2
    assert ecs.signed == {"AKIDOFTHISTEST"}
    bench.engine.destroy(bench.request())
    assert not bench.engine.exists(bench.request().stack)


def test_a_filling_is_stopped_where_it_runs_when_its_deployment_is_cancelled(target: LocalTarget, ecs: Ecs) -> None:
    bench = Bench(target, ecs, "cloud-cancel")
    ecs.codes = [None]
    with pytest.raises(EngineError) as failed:
        bench.engine.up(bench.request(), should_stop=lambda: ecs.runs() > 0)
    assert failed.value.kind is ErrorKind.CANCELLED
    bench.engine.recover(bench.request())
    assert ecs.stopped
    bench.engine.destroy(bench.request())


def test_a_file_that_is_not_there_is_named_before_anything_runs(target: LocalTarget, ecs: Ecs) -> None:
    bench = Bench(target, ecs, "cloud-missing")
    with pytest.raises(EngineError, match=r"db: there is no readable other.sql in the application's files"):
        bench.engine.up(bench.request("other.sql"))
    assert ecs.runs() == 0
    bench.engine.destroy(bench.request())
