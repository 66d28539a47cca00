"""The contract of targets on a real container engine, with an image that is made of this machine's busybox."""

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID, uuid4

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from catalog.environments.service import DeployPlan
from catalog.providers.targets import target
from catalog.providers.targets.docker_api import COMPONENT_LABEL, ENVIRONMENT_LABEL, DockerEngine, DockerError
from catalog.settings import Settings
from tests.interop import server_images
from tests.workers.targets.contract import FILES, SPEC, Bench, TargetContract
from tests.workers.targets.parts import running
from workers import toolchain
from workers.engine import EngineError
from workers.targets import UnfitError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PEOPLE = "psql -At -c 'SELECT name FROM people ORDER BY name'"
PAGE = 'mkdir -p /tmp/w; echo up > /tmp/w/index.html; exec httpd -f -p "$PORT" -h /tmp/w'


def base_image() -> bytes:
    """Make a file system of one static program, and of its names as links."""
    program = shutil.which("busybox")
    assert program is not None, "busybox is missing; Debian, Ubuntu: apt install busybox-static"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "tmp", "app"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(program, "bin/busybox")
        for name in ("sh", "cat", "httpd", "wget", "mkdir", "echo", "sleep", "yes", "head", "id"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return archive.getvalue()


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    """Run an engine of its own, that nothing else of this machine uses."""
    program = shutil.which("dockerd")
    assert program is not None, "dockerd is missing; Debian, Ubuntu: apt install docker.io iptables"
    with tempfile.TemporaryDirectory(prefix="slw-docker-") as folder:
        socket = f"{folder}/docker.sock"
        command = [program, "--host", f"unix://{socket}", "--data-root", f"{folder}/data", "--bridge", "none"]
        command += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        with (Path(folder) / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
            try:
                deadline = time.monotonic() + 60
                while not os.path.exists(socket) or not _answers(socket):  # noqa: PTH110  # a socket, not a file
                    said = (Path(folder) / "log").read_text()[-2000:]
                    assert daemon.poll() is None and time.monotonic() < deadline, said  # noqa: PT018  # one reason
                    time.sleep(0.1)
                made = DockerEngine(socket)
                _import(made, base_image())
                _import(made, *server_images.redis())
                _import(made, *server_images.postgres())
                _import(made, *server_images.objects())
                yield made
            finally:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(60)


def _answers(socket: str) -> bool:
    try:
        return DockerEngine(socket).ask("GET", "/_ping")[0] == 200
    except Exception:  # noqa: BLE001  # not yet
        return False


def _import(engine: DockerEngine, archive: bytes, name: str = "slipway-contract/base", *changes: str) -> None:
    headers = {"Content-Type": "application/x-tar", "Content-Length": str(len(archive))}
    asked = [("fromSrc", "-"), ("repo", name), ("tag", "latest"), ("changes", "ENV PATH=/bin")]
    path = f"/v1.41/images/create?{urlencode([*asked, *(('changes', each) for each in changes)])}"
    engine._send("POST", path, archive, headers, 60)  # noqa: SLF001  # only tests import images


@pytest.fixture(scope="module")
def settings(engine: DockerEngine) -> Iterator[Settings]:
    names = ("postgres", "redis", "objects")
    images = {f"{name}_image": f"slipway-contract/{name}" for name in names}
    with running(targets=("docker",), docker_socket=engine.socket_path, **images) as made:
        yield made


@pytest.fixture
def bench(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(settings, "docker", tmp_path_factory.mktemp("shop"))
    yield made
    made.clean()


class TestDocker(TargetContract):
    """Containers of an engine."""

    def test_limits_network_and_labels_are_the_environments_own(self, bench: Bench, engine: DockerEngine) -> None:
        plan = bench.plan(bench.commit("one"))
        bench.up(plan)
        found = engine.found("containers", f"{ENVIRONMENT_LABEL}={plan.environment_id}")
        assert sorted(each["Labels"][COMPONENT_LABEL] for each in found) == ["api", "web"]
        for each in found:
            inspected = engine.get(f"/containers/{each['Id']}/json")
            host = inspected["HostConfig"]
            assert host["Memory"] == host["MemorySwap"] == 256 * 1024 * 1024
            assert host["SecurityOpt"] == ["no-new-privileges"]
            assert host["RestartPolicy"]["Name"] == "unless-stopped"
            assert list(inspected["NetworkSettings"]["Networks"]) == [f"slipway-{plan.environment_id}"]
            bindings = [one for ports in inspected["NetworkSettings"]["Ports"].values() for one in ports or ()]
            assert {one["HostIp"] for one in bindings} == {"127.0.0.1"}

    def test_a_container_that_ended_is_made_again(self, bench: Bench, engine: DockerEngine) -> None:
        plan = bench.plan(bench.commit("one"))
        bench.up(plan)
        for each in engine.found("containers", f"{ENVIRONMENT_LABEL}={plan.environment_id}"):
            engine.ask("POST", f"/containers/{each['Id']}/stop", t="0")
        assert bench.visit(plan) == ""
        assert set(bench.engine.refresh(bench.request(plan)).changed) == {"web", "api"}
        bench.up(plan)
        self.answers(bench, plan, "one ahoy-from-the-inputs from the api")

    def test_without_dockerfile_the_files_are_put_on_the_base_image(self, bench: Bench, settings: Settings) -> None:
        bench.commit("one")
        bench.git("rm", "--quiet", "Dockerfile")
        bench.git("commit", "--quiet", "--message", "no Dockerfile")
        plan = bench.plan(bench.git("rev-parse", "HEAD"))
        with pytest.raises(EngineError, match=r"the repository has no Dockerfile\. Add one"):
            bench.up(plan)
        bench.settings = settings.model_copy(update={"docker_base_image": "slipway-contract/base"})
        bench.up(plan)
        self.answers(bench, plan, "one ahoy-from-the-inputs from the api")

    def test_a_build_that_fails_says_its_last_lines(self, bench: Bench) -> None:
        dockerfile = "FROM slipway-contract/base\nRUN echo compiling && exit 7\n"
        plan = bench.plan(bench.commit("one", Dockerfile=dockerfile))
        with pytest.raises(EngineError, match=r"(?s)the image could not be built: .*compiling.*7"):
            bench.up(plan)

    def test_a_folder_that_leads_out_of_the_repository_is_not_read(self, bench: Bench, settings: Settings) -> None:
        bench.commit("one")
        (bench.repository / "away").symlink_to("/etc")
        bench.git("add", "--all")
        bench.git("commit", "--quiet", "--message", "a link")
        web = {**SPEC["environment"]["components"]["web"], "directory": "away", "env": {}}
        plan = bench.plan(
            bench.git("rev-parse", "HEAD"), environment={"components": {"web": web}, "outputs": {"url": "${web.url}"}}
        )
        bench.settings = settings.model_copy(update={"docker_base_image": "slipway-contract/base"})
        with pytest.raises(EngineError, match="leads out of the application's files"):
            bench.up(plan)

    def test_an_image_that_is_named_needs_no_build(self, bench: Bench) -> None:
        page = 'mkdir -p /tmp/w; echo hello > /tmp/w/index.html; exec httpd -f -p "$PORT" -h /tmp/w'
        web = {"type": "process", "image": "slipway-contract/base:latest", "command": page, "health": {"path": "/"}}
        environment = {**SPEC["environment"], "components": {"web": web}}
        plan = bench.plan(bench.commit("one"), environment=environment)
        assert "image" not in {each.type.rpartition(":")[2].lower() for each in bench.up(plan).resources}
        self.answers(bench, plan, "hello")

    def test_an_engine_that_is_away_is_told_apart_from_an_empty_one(self, bench: Bench, settings: Settings) -> None:
        away = settings.model_copy(update={"docker_socket": "/nowhere/docker.sock"})
        with pytest.raises(Exception, match="does not answer"):
            target("docker", away).inventory(uuid4(), "x")
        plan = replace(bench.plan(bench.commit("one")))
        bench.made.clear()
        lost = Bench(away, "docker", bench.repository)
        with pytest.raises(EngineError, match="does not answer"):
            lost.up(plan)
        lost.destroy(plan)

    def test_servers_keep_their_data_while_services_change_and_while_it_sleeps(
        self, bench: Bench, engine: DockerEngine
    ) -> None:
        web = {
            "type": "process",
            "command": PAGE,
            "env": {"DATABASE_URL": "${db.url}", "REDIS_URL": "${cache.url}"},
            "health": {"path": "/"},
        }
        seed = {"data": "synthetic", "sql": "seed.sql"}
        components = {"web": web, "db": {"type": "postgres", "seed": seed}, "cache": {"type": "redis"}}
        environment = {"components": components, "outputs": {"url": "${web.url}"}}
        files = {"seed.sql": "CREATE TABLE people (name text); INSERT INTO people VALUES ('Ann');"}
        plan = bench.plan(bench.commit("one", **files), environment=environment)
        bench.up(plan)
        self.answers(bench, plan, "up")

        def said(name: str, script: str) -> str:
            return self.said(engine, plan, name, script)

        assert said("db", PEOPLE) == "Ann"
        said("db", "psql -q -c \"INSERT INTO people VALUES ('Bob')\"")
        assert said("cache", "redis-cli set key value") == "OK"
        url = f"postgresql://app:{plan.credentials['db']}@db:5432/app"
        assert self.variables(engine, plan, "web")["DATABASE_URL"] == url

        server = self.container(engine, plan, "db")
        moved = bench.plan(bench.commit("two", **files), plan.environment_id, environment=environment)
        bench.up(moved)
        assert self.container(engine, plan, "db") == server, "the commit does not concern it"
        built = {each["Id"] for each in engine.found("images", f"{ENVIRONMENT_LABEL}={plan.environment_id}")}
        bench.sleep(moved)
        assert engine.found("containers", f"{ENVIRONMENT_LABEL}={plan.environment_id}") == []
        assert {each["Id"] for each in engine.found("images", f"{ENVIRONMENT_LABEL}={plan.environment_id}")} == built
        bench.up(moved)
        assert {each["Id"] for each in engine.found("images", f"{ENVIRONMENT_LABEL}={plan.environment_id}")} == built
        assert said("db", PEOPLE).split() == ["Ann", "Bob"], "filled once in its life"
        assert said("cache", "redis-cli get key") == "value"
        assert any("volume" in each for each in bench.inventory(plan))
        bench.destroy(moved)
        assert bench.inventory(plan) == ()

    def test_a_filling_says_why_it_fails_and_is_held_as_services_are(self, bench: Bench) -> None:
        web = {**SPEC["environment"]["components"]["web"], "env": {"DATABASE_URL": "${db.url}"}}

        def up(seed: dict[str, str], name: str = "web") -> None:
            server = {"type": "postgres", "seed": {"data": "synthetic", **seed}}
            components = {name: web, "db": server}
            environment = {"components": components, "outputs": {"url": f"${{{name}.url}}"}}
            bench.up(bench.plan(bench.commit("one", **{"seed.sql": "SELEKT 1;"}), environment=environment))

        with pytest.raises(EngineError, match=r'(?s)ended with 3\..*syntax error at or near "SELEKT"'):
            up({"sql": "seed.sql"})
        with pytest.raises(EngineError, match=r"(?s)ended with 7\..*files: 4096"):
            up({"command": "echo files: $(ulimit -n); exit 7"})
        with pytest.raises(UnfitError, match="db-seed: what fills db is called so here"):
            up({"sql": "seed.sql"}, "db-seed")

    def test_a_command_fills_a_database_once_in_the_image_of_its_service(
        self, bench: Bench, engine: DockerEngine
    ) -> None:
        # An image that has the client; the base image has none.
        image = f"{server_images.POSTGRES}:latest"
        web = {"type": "process", "image": image, "command": PAGE, "env": {"DB": "${db.url}"}, "health": {"path": "/"}}
        fills = "psql -q -c 'CREATE TABLE people (name text)' -c \"INSERT INTO people VALUES ('Ann')\""
        seed = {"data": "synthetic", "command": fills}
        environment = {
            "components": {"web": web, "db": {"type": "postgres", "seed": seed}},
            "outputs": {"url": "${web.url}"},
        }
        plan = bench.plan(bench.commit("one"), environment=environment)
        bench.up(plan)
        self.answers(bench, plan, "up")
        assert self.said(engine, plan, "db", PEOPLE) == "Ann"
        assert not any("db-seed" in each for each in bench.inventory(plan)), "what filled it is gone"
        bench.sleep(plan)
        bench.up(plan)
        assert self.said(engine, plan, "db", PEOPLE) == "Ann", "filled once in its life"

    def test_object_storage_speaks_the_protocol_of_s3_and_keeps_what_it_holds(
        self, bench: Bench, engine: DockerEngine
    ) -> None:
        assert Settings().objects_image == f"versity/versitygw:{toolchain.VERSITYGW.version}", "what is tried here"
        told = ("url", "bucket", "region", "access_key", "secret_key")
        web = {
            "type": "process",
            "command": PAGE,
            "env": {name.upper(): f"${{files.{name}}}" for name in told},
            "health": {"path": "/"},
        }
        environment = {"components": {"web": web, "files": {"type": "objects"}}, "outputs": {"url": "${web.url}"}}
        plan = bench.plan(bench.commit("one"), environment=environment)
        bench.up(plan)
        self.answers(bench, plan, "up")
        about = self.variables(engine, plan, "web")
        _code, refused = engine.run(self.container(engine, plan, "web"), ["wget", "-O", "-", about["URL"]])
        assert "403" in refused, "services find it, and are let in with its key alone"

        bucket, store = about["BUCKET"], self.store(engine, plan, about)
        assert [each["Name"] for each in store.list_buckets()["Buckets"]] == [bucket]
        store.put_object(Bucket=bucket, Key="pictures/one.txt", Body=b"hello", ContentType="text/plain")
        store.put_object(Bucket=bucket, Key="two.txt", Body=b"")
        listed = store.list_objects_v2(Bucket=bucket, Prefix="pictures/")["Contents"]
        assert [(each["Key"], each["Size"]) for each in listed] == [("pictures/one.txt", 5)]
        signed = store.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "pictures/one.txt"})
        assert httpx.get(signed).text == "hello"
        store.delete_object(Bucket=bucket, Key="two.txt")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            self.store(engine, plan, {**about, "SECRET_KEY": "another"}).list_buckets()

        bench.sleep(plan)
        bench.up(plan)
        kept = self.store(engine, plan, about)
        assert [each["Key"] for each in kept.list_objects_v2(Bucket=bucket)["Contents"]] == ["pictures/one.txt"]
        found = kept.get_object(Bucket=bucket, Key="pictures/one.txt")
        assert (found["Body"].read(), found["ContentType"]) == (b"hello", "text/plain")
        bench.destroy(plan)
        assert bench.inventory(plan) == ()

    def test_services_of_several_repositories_are_built_from_the_commit_of_each(
        self, bench: Bench, engine: DockerEngine, tmp_path: Path
    ) -> None:
        other = Bench(bench.settings, "docker", tmp_path / "billing")
        bench.others = {"billing": other.repository}
        mine = bench.commit("one")

        def plan_with(text: str, **life: UUID) -> DeployPlan:
            sha = other.commit(text, **{"api.sh": FILES["api.sh"].replace("from the api", text)})
            components = SPEC["environment"]["components"]
            environment = {
                "repositories": {"billing": {"repository": str(other.repository), "commit": sha}},
                "components": {**components, "api": {**components["api"], "repository": "billing"}},
                "outputs": {"url": "${web.url}"},
            }
            return bench.plan(mine, **life, environment=environment)

        plan = plan_with("from billing")
        bench.up(plan)
        self.answers(bench, plan, "one ahoy-from-the-inputs from billing")
        web, api = (self.container(engine, plan, name) for name in ("web", "api"))
        moved = plan_with("from billing again", environment_id=plan.environment_id)
        bench.up(moved)
        assert self.container(engine, plan, "web") == web, "another repository's commit does not concern it"
        assert self.container(engine, plan, "api") != api
        code, page = engine.run(self.container(engine, plan, "web"), ["wget", "-q", "-O", "-", "http://api:8080/"])
        assert (code, page.strip()) == (0, "from billing again")

    def test_a_filling_that_is_cancelled_is_ended_beside_the_database(self, bench: Bench, engine: DockerEngine) -> None:
        web = {**SPEC["environment"]["components"]["web"], "env": {"DATABASE_URL": "${db.url}"}}
        server = {"type": "postgres", "seed": {"data": "synthetic", "sql": "seed.sql"}}
        environment = {"components": {"web": web, "db": server}, "outputs": {"url": "${web.url}"}}
        endless = "CREATE TABLE people (name text); SELECT pg_sleep(600);"
        plan = bench.plan(bench.commit("one", **{"seed.sql": endless}), environment=environment)
        begins = "SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"

        def is_filled() -> bool:
            try:
                return "pg_sleep" in self.said(engine, plan, "db", f'psql -At -c "{begins}"')
            except (AssertionError, StopIteration, DockerError):
                return False  # not there yet

        bench.cancel(plan, is_filled)
        self.in_time(lambda: not is_filled())
        running = engine.get(f"/containers/{self.container(engine, plan, 'db')}/top")["Processes"]
        assert not [each for each in running if "psql" in " ".join(each)]
        assert self.said(engine, plan, "db", "ls /tmp | grep slipway") == "slipway-seed.sql"
        quick = {"seed.sql": "CREATE TABLE people (name text); INSERT INTO people VALUES ('Ann');"}
        bench.up(bench.plan(bench.commit("two", **quick), plan.environment_id, environment=environment))
        assert self.said(engine, plan, "db", PEOPLE) == "Ann"

    def test_a_build_that_is_cancelled_is_ended(self, bench: Bench, engine: DockerEngine) -> None:
        endless = "FROM slipway-contract/base\nRUN echo compiling && sleep 600\n"
        plan = bench.plan(bench.commit("one", Dockerfile=endless))

        def is_built() -> bool:
            return any("sleep 600" in each["Command"] for each in engine.get("/containers/json"))

        bench.cancel(plan, is_built)
        self.in_time(lambda: not is_built())

    def said(self, engine: DockerEngine, plan: DeployPlan, name: str, script: str) -> str:
        """Return what a script says in the container of a server, as its owner."""
        password = plan.credentials[name]
        env = {"PGPASSWORD": password, "REDISCLI_AUTH": password, "PGUSER": "app", "PGDATABASE": "app"}
        container, command = self.container(engine, plan, name), ["/bin/sh", "-c", script]
        code, text = engine.run(container, command, env={**env, "PGHOST": "127.0.0.1"})
        assert code == 0, text
        return text.strip()

    def variables(self, engine: DockerEngine, plan: DeployPlan, name: str) -> dict[str, str]:
        """Return what the container of a component is told."""
        found = engine.get(f"/containers/{self.container(engine, plan, name)}/json")["Config"]["Env"]
        return dict(each.split("=", 1) for each in found)

    def store(self, engine: DockerEngine, plan: DeployPlan, about: Mapping[str, str]) -> "S3Client":
        """Return a client of the object storage, as services are told of it, but from outside the network."""
        found = engine.get(f"/containers/{self.container(engine, plan, 'files')}/json")
        port = found["NetworkSettings"]["Ports"]["9000/tcp"][0]["HostPort"]
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name=about["REGION"],
            aws_access_key_id=about["ACCESS_KEY"],
            aws_secret_access_key=about["SECRET_KEY"],
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )

    def container(self, engine: DockerEngine, plan: DeployPlan, name: str) -> str:
        """Return the container of a component."""
        found = engine.found("containers", f"{ENVIRONMENT_LABEL}={plan.environment_id}")
        return str(next(each["Id"] for each in found if each["Labels"][COMPONENT_LABEL] == name))
