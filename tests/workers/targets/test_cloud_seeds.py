"""What databases in clouds begin with: the jobs as their providers want them, and what their shells do to a database.

A stand-in runs the jobs of a program here, with the shell of this machine and a real PostgreSQL; the clouds' own
questions and answers are tried beside their providers.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from catalog.providers.targets import TargetUnavailableError, provider
from catalog.providers.targets.cloud_jobs import Job, Run
from catalog.providers.targets.cloud_tags import COMPONENT, ENVIRONMENT
from tests.pulumi_mocks import run_mocked
from tests.workers.targets.test_clouds import (
    CLOUDS,
    MADE,
    SERVERS,
    SETTINGS,
    UNTAGGED,
    Mocks,
    made,
    place,
    plan,
    program,
    typed,
)
from tests.workers.targets.test_clouds import snake as named
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.programs import postgres_programs
from workers.engine import ProgramResource, StackProgram
from workers.engine.plugin import cloud_seed
from workers.engine.plugin.cloud_seed import LARGEST_PACKED, CloudScriptResource, CloudSeedResource
from workers.engine.plugin.resource import ResourceFailure
from workers.engine.references import in_order, references, split
from workers.environment_program import sleeping_program
from workers.targets import UnfitError

# Importing the providers' classes imports others beside them that are no longer to be used.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated in favor of:DeprecationWarning")
SQL = {"data": "synthetic", "sql": "db/seed.sql"}
HALF = "CREATE TABLE things (name text)"
ONE = "INSERT INTO things VALUES ('one')"
COMMAND = {"data": "masked", "command": f"psql -X -q -c '{HALF}' && psql -X -q -c \"{ONE}\""}
SEEDS = (SQL, COMMAND)


def seeded(seed: Mapping[str, Any] = SQL, **components: Any) -> Mapping[str, Any]:
    database = {"db": {"type": "postgres", "seed": dict(seed)}, **components}
    return {
        "environment": {
            **SERVERS["environment"],
            "components": {**SERVERS["environment"]["components"], **database},
        }
    }


def registered(resource: ProgramResource) -> None:
    made(resource)


@pytest.mark.parametrize("target", CLOUDS)
@pytest.mark.parametrize("seed", SEEDS, ids=["sql", "command"])
def test_jobs_are_as_their_providers_want_them_and_have_what_runs_refer_to(
    target: str, seed: Mapping[str, Any]
) -> None:
    declared = program(target, seeded(seed))
    added = {each.name for each in declared.resources} - {each.name for each in program(target, SERVERS).resources}
    by_name = {each.name: each for each in declared.resources}
    assert "db_seed" in added
    for name in added:
        if not by_name[name].type.startswith("slipway:"):
            run_mocked(Mocks(), partial(registered, by_name[name]))
    for each in references([dict(by_name[name].inputs) for name in added]):
        kind = by_name[each.resource].type
        if kind.startswith("slipway:"):
            assert each.output in {"packed", "problem", "directory"}
        else:
            assert each.output == "id" or hasattr(typed(kind), named(each.output)), each


@pytest.mark.parametrize("target", CLOUDS)
@pytest.mark.parametrize("seed", SEEDS, ids=["sql", "command"])
def test_a_database_is_filled_before_whoever_uses_it_and_after_what_it_needs(
    target: str, seed: Mapping[str, Any]
) -> None:
    declared = program(target, seeded(seed))
    ordered = [each.name for each in in_order(declared)]
    own = {"azure": ("database_db", "names_db"), "aws": ("rights_own", "values_db_seed"), "gcp": ("database_db",)}
    for before in ("db", *own[target]):
        assert ordered.index(before) < ordered.index("db_seed")
    worker = next(each for each in declared.resources if each.name == "worker")
    assert "db_seed" in worker.depends_on
    assert "db_seed" not in next(each for each in declared.resources if each.name == "web").depends_on
    asleep = sleeping_program(plan(target, seeded(seed)), place(), {}, ()).resources
    assert {"db_seed", "worker"}.isdisjoint(each.name for each in asleep)
    assert "db" in {each.name for each in asleep}


@pytest.mark.parametrize("target", CLOUDS)
@pytest.mark.parametrize("seed", SEEDS, ids=["sql", "command"])
def test_jobs_are_tagged_and_hold_passwords_where_they_are_secret(target: str, seed: Mapping[str, Any]) -> None:
    for each in program(target, seeded(seed)).resources:
        holding = {key for key, value in each.inputs.items() if re.search("Pass_word-1|script_db.packed", str(value))}
        assert holding <= set(each.secret_inputs), each.name
        if "db_seed" not in each.name or each.type in UNTAGGED or each.type.startswith("slipway:"):
            continue
        tags = each.inputs.get("tags") or each.inputs["labels"]
        assert (tags[ENVIRONMENT], tags[COMPONENT]) == (str(MADE), "db")


@pytest.mark.parametrize("target", CLOUDS)
def test_commands_run_in_the_image_of_whoever_uses_the_database_and_sql_beside_the_server(target: str) -> None:
    image = f"registry.example.com/shop-worker:{'a' * 40}"
    for seed, of_services in ((SQL, 0), (COMMAND, 1)):
        jobs = [each for each in program(target, seeded(seed)).resources if "db_seed" in each.name]
        assert str([each.inputs for each in jobs]).count(image) == of_services
        assert SETTINGS.postgres_image in str([each.inputs for each in jobs])


@pytest.mark.parametrize("target", CLOUDS)
def test_what_cannot_be_filled_is_refused_by_name(target: str) -> None:
    taken = {"type": "process", "command": "sleep 1"}
    with pytest.raises(UnfitError, match=r"db-seed: what fills db is called so here"):
        program(target, seeded(SQL, **{"db-seed": taken}))


@pytest.mark.parametrize("target", CLOUDS)
def test_a_service_may_be_called_as_a_checkout_is(target: str) -> None:
    declared = program(target, seeded(SQL, checkout={"type": "process", "command": "sleep 1"}))
    names = [each.name for each in declared.resources]
    assert len(names) == len(set(names))
    assert in_order(declared)


@dataclass
class Machine:
    """Stands in for a cloud: runs the jobs of a program with the shell of this machine, each as its cloud would."""

    target: str
    declared: StackProgram
    folder: Path
    env: Mapping[str, str]
    said: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    going: bool = False
    hangs: bool = False
    silent: int = 0
    unready: int = 0
    gone: tuple[str, ...] = ()
    looked: Callable[[], object] = bool
    code: int = 0

    def start(self, job: Job, script: str | None = None) -> str:
        self.said.clear()
        self.runs.append(str(job["id"]))
        self.code = 0
        self.going = self.hangs
        self.unready = max(0, self.unready - 1)
        self._shared = self.folder / uuid4().hex
        self._shared.mkdir()
        for step in [script] if script is not None else self._steps(str(job["id"])):
            if self.code == 0 and not (self.hangs or self.unready):  # what comes after a step that fails is not begun
                self.code = self._done(step)
        return f"run-{len(self.runs)}"

    def look(self, job: Job, run: str) -> Run:
        del job, run
        self.looked()
        if self.silent:
            self.silent -= 1
            raise TargetUnavailableError("the cloud does not answer")
        if self.unready:
            return Run(over=True, why="it cannot read its secrets", again=True)
        return Run(over=not self.going, well=self.code == 0, why=f"it ended with {self.code}")

    def running(self, job: Job) -> tuple[str, ...]:
        del job
        return ("of-before",) if self.going and not self.runs else ()

    def stop(self, job: Job, run: str) -> None:
        del job
        self.stopped.append(run)
        self.going = False

    def has(self, server: str) -> bool:
        self.looked()
        return server not in self.gone

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        del job, run
        return tuple("".join(self.said).splitlines()[-most:])

    def _done(self, script: str) -> int:
        shell = ["/bin/sh", "-c", re.sub("/slipway(?=/)|/tmp(?=/slipway-seed)", str(self._shared), script)]
        ended = subprocess.run(shell, env=dict(self.env), check=False, capture_output=True, text=True)
        self.said.append(ended.stdout + ended.stderr)
        return ended.returncode

    def _steps(self, name: str) -> Iterator[str]:
        """Return what the shells of a job do, one after the other."""
        inputs = next(each.inputs for each in self.declared.resources if each.name == name)
        if self.target == "azure":
            template = inputs["template"]
            scripts = [each["command"] for each in (*template["initContainers"], *template["containers"])]
        elif self.target == "aws":
            containers = json.loads(inputs["containerDefinitions"])
            for before, each in pairwise(containers):
                assert each["dependsOn"] == [{"containerName": before["name"], "condition": "SUCCESS"}]
            assert [each["essential"] for each in containers] == [False] * (len(containers) - 1) + [True]
            scripts = [[*each["entryPoint"], *each["command"]] for each in containers]
        else:
            (container,) = inputs["template"]["template"]["containers"]
            scripts = [[*container["commands"], *container["args"]]]
        for shell, flag, script in scripts:
            assert (shell, flag) == ("/bin/sh", "-c")
            yield "".join(map(str, split(script)))


@dataclass
class Filled:
    """A database of the test's own, and what fills it as one cloud would."""

    target: str
    folder: Path
    env: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    cancelled: Event = field(default_factory=Event)
    problem: str = ""

    def resource(self, seed: Mapping[str, Any]) -> tuple[CloudSeedResource, Machine, dict[str, Any]]:
        declared = program(self.target, seeded(seed))
        machine = Machine(self.target, declared, self.folder, self.env)
        known = replace(provider(self.target), jobs=lambda _credentials: machine)
        self.monkeypatch.setattr(cloud_seed, "provider", lambda _name: known)
        run = next(each for each in declared.resources if each.name == "db_seed")
        # A job is named by its id or, on aws, by its task: here both are the resource that it refers to.
        jobs = {
            key: {"id": next(iter(references(job.get("task") or job["id"]))).resource}
            for key, job in run.inputs.items()
            if key in {"job", "beside"}
        }
        resource = CloudSeedResource({}, self.cancelled, pause_seconds=0.01)
        told = {"problem": self.problem} if "problem" in run.inputs else {}
        inputs, problems = resource.check({**run.inputs, **jobs, **told, "env": {**self.env, "PGPORT": 5432}})
        assert problems == []
        return resource, machine, inputs

    def fill(self, seed: Mapping[str, Any], sql: str = "") -> Machine:
        if sql:
            (self.folder / "db").mkdir(exist_ok=True)
            (self.folder / "db" / "seed.sql").write_text(sql)
            read = CloudScriptResource().create({"directory": str(self.folder), "sql": "db/seed.sql", "database": "db"})
            self.env["SLIPWAY_SEED"] = read.outputs["packed"]
            self.problem = read.outputs["problem"]
        resource, machine, inputs = self.resource(seed)
        assert resource.create(inputs).id == f"{MADE}.db"
        return machine

    def things(self) -> list[str]:
        with psycopg.connect(
            host=self.env["PGHOST"], user="postgres", dbname=self.env["PGDATABASE"], **self.superuser
        ) as connection:
            return [str(row[0]) for row in connection.execute("SELECT name FROM things")]

    superuser: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def filled(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Filled]]:
    address = make_url(postgres.superuser_url())
    host, name = str(address.query.get("host") or address.host), f"seeded_{uuid4().hex[:8]}"
    conninfo = {"host": host, "user": address.username, "password": address.password, "port": address.port or 5432}
    with psycopg.connect(dbname="postgres", autocommit=True, **conninfo) as connection:  # type: ignore[arg-type]
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD 'a-Pass_word'")
        connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    programs = postgres_programs(None)
    env = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PGHOST": host,
        "PGPORT": str(conninfo["port"]),
        "PGUSER": name,
        "PGPASSWORD": "a-Pass_word",
        "PGDATABASE": name,
    }
    yield lambda target: Filled(target, tmp_path, dict(env), monkeypatch, superuser={"password": address.password})
    with psycopg.connect(dbname="postgres", autocommit=True, **conninfo) as connection:  # type: ignore[arg-type]
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("target", CLOUDS)
@pytest.mark.parametrize("seed", SEEDS, ids=["sql", "command"])
def test_a_database_is_filled_once_whatever_the_engine_remembers(
    filled: Callable[[str], Filled], target: str, seed: Mapping[str, Any]
) -> None:
    database = filled(target)
    database.fill(seed, f"{HALF};\nINSERT INTO things VALUES ('one');\n")
    assert database.things() == ["one"]
    again = database.fill(seed)
    assert database.things() == ["one"]
    assert len(again.runs) == 1


@pytest.mark.parametrize("target", CLOUDS)
def test_a_filling_that_fails_says_what_it_wrote_and_is_begun_anew(
    filled: Callable[[str], Filled], target: str
) -> None:
    database = filled(target)
    broken = {**COMMAND, "command": f"psql -X -q -c '{HALF}' && echo the password is $PGPASSWORD && exit 7"}
    with pytest.raises(ResourceFailure) as failed:
        database.fill(broken)
    said = str(failed.value)
    assert said.startswith("db-seed: what the database begins with did not come to a good end. it ended with 7.")
    assert "the password is [secret]" in said
    # What was half written is gone: making the table once more would fail.
    database.fill(COMMAND)
    assert database.things() == ["one"]


@pytest.mark.parametrize("target", CLOUDS)
def test_an_sql_file_is_taken_as_a_whole(filled: Callable[[str], Filled], target: str) -> None:
    database = filled(target)
    with pytest.raises(ResourceFailure, match=r'(?s)db-seed: .*relation "nothing" does not exist'):
        database.fill(SQL, f"{HALF};\nINSERT INTO nothing VALUES ('one');\n")
    database.fill(SQL, f"{HALF};\nINSERT INTO things VALUES ('two');\n")
    assert database.things() == ["two"]


def test_a_filling_that_nobody_waits_for_is_stopped(filled: Callable[[str], Filled]) -> None:
    database = filled("gcp")
    resource, machine, inputs = database.resource(COMMAND)
    machine.hangs, machine.looked = True, database.cancelled.set
    with pytest.raises(ResourceFailure, match=r"db-seed: broken off: the operation was cancelled"):
        resource.create(inputs)
    assert machine.stopped == ["run-1"]


def test_a_run_that_a_killed_worker_left_is_stopped_before_another_and_when_it_is_cleared_away(
    filled: Callable[[str], Filled],
) -> None:
    database = filled("azure")
    resource, machine, inputs = database.resource(COMMAND)
    machine.going = True
    resource.abandon(inputs, [])
    assert machine.stopped == ["of-before"]
    machine.going = True
    resource.create(inputs)
    assert machine.stopped == ["of-before"] * 2
    assert database.things() == ["one"]


def refuses(*_: object) -> None:
    raise TargetUnavailableError("the cloud refuses to stop what is over")


def test_a_run_that_ends_before_it_can_be_stopped_is_in_nobodys_way(
    filled: Callable[[str], Filled], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = filled("gcp")
    resource, machine, inputs = database.resource(COMMAND)
    monkeypatch.setattr(machine, "running", lambda _job: ("of-before",))
    monkeypatch.setattr(machine, "stop", refuses)
    resource.create(inputs)
    assert database.things() == ["one"]
    machine.going = True
    with pytest.raises(ResourceFailure, match="db-seed: the cloud refuses to stop"):
        resource.abandon(inputs, [])


@pytest.mark.parametrize("target", CLOUDS)
def test_a_run_is_stopped_that_began_although_no_answer_came(
    filled: Callable[[str], Filled], monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    database = filled(target)
    resource, machine, inputs = database.resource(COMMAND)
    there: list[str] = []

    def start(_job: Job, _script: str | None = None) -> str:
        there.append("unanswered")
        raise TargetUnavailableError("the cloud does not answer")

    monkeypatch.setattr(machine, "start", start)
    monkeypatch.setattr(machine, "running", lambda _job: tuple(there))
    with pytest.raises(ResourceFailure, match="db-seed: the cloud does not answer"):
        resource.create(inputs)
    assert machine.stopped == ["unanswered"]


def test_a_cloud_may_be_silent_for_a_moment(filled: Callable[[str], Filled]) -> None:
    database = filled("aws")
    resource, machine, inputs = database.resource(COMMAND)
    machine.silent = 3
    resource.create(inputs)
    assert database.things() == ["one"]
    machine.silent = 5
    with pytest.raises(ResourceFailure, match="db-seed: the cloud does not answer"):
        resource.create(inputs)
    assert machine.stopped == ["run-2"]


def test_a_cloud_that_is_not_ready_yet_is_asked_again(filled: Callable[[str], Filled]) -> None:
    database = filled("aws")
    resource, machine, inputs = database.resource(COMMAND)
    machine.unready = 4
    resource.create(inputs)
    assert (len(machine.runs), database.things()) == (4, ["one"])
    machine.unready = 9
    with pytest.raises(ResourceFailure, match="it cannot read its secrets"):
        resource.create(inputs)
    assert len(machine.runs) == 8


def test_a_database_is_filled_anew_whose_server_is_gone_and_will_be_called_the_same(
    filled: Callable[[str], Filled],
) -> None:
    resource, machine, inputs = filled("azure").resource(SQL)
    assert resource.read("x", inputs) == inputs
    machine.gone = (inputs["server"],)
    assert resource.read("x", inputs) is None
    machine.looked = refuses
    assert resource.read("x", inputs) == inputs


def test_another_database_is_filled_anew_and_other_commits_change_nothing() -> None:
    resource = CloudSeedResource({}, Event())
    old = {"environment_id": "e", "database": "db", "server": "one", "cloud": "aws", "job": {"task": "1"}, "env": {}}
    assert resource.diff(old, {**old, "job": {"task": "2"}, "env": {"A": "b"}}).changed == ()
    assert resource.diff(old, {**old, "server": "two"}).replaces == ("server",)


def test_a_file_that_is_too_large_or_not_there_names_the_field_and_the_way_out(tmp_path: Path) -> None:
    resource = CloudScriptResource()
    inputs = {"directory": str(tmp_path), "sql": "seed.sql", "database": "db"}
    with pytest.raises(ResourceFailure, match=r"db: there is no readable seed.sql"):
        resource.create(inputs)
    (tmp_path / "seed.sql").symlink_to("/etc/passwd")
    with pytest.raises(ResourceFailure, match=r"db: there is no readable seed.sql"):
        resource.create(inputs)
    (tmp_path / "seed.sql").unlink()
    (tmp_path / "seed.sql").write_text(os.urandom(LARGEST_PACKED).hex())
    said = r"db: seed.sql \(seed.sql\) takes \d+ KiB compressed, and a cloud takes 31 KiB at the most. Fill it with a"
    with pytest.raises(ResourceFailure, match=said):
        resource.create(inputs)
    (tmp_path / "seed.sql").write_text("INSERT INTO things VALUES ('one');\n" * 20000)
    first = resource.create(inputs).outputs["packed"]
    old = {**inputs, "packed": first}
    assert resource.update("x", old, inputs) == {"packed": first, "problem": ""}
    # In a later commit that is told to whoever is yet to be filled, and nobody else.
    said = "db: there is no readable gone.sql in the application's files"
    assert resource.update("x", old, {**inputs, "sql": "gone.sql"}) == {"packed": first, "problem": said}
