"""What environments are made of, through the real worker and engine: services, databases, and files that say so."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest
import redis
import yaml

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.environments.models import Phase
from catalog.environments.seeds import ProductionDataRefusedError
from catalog.errors import InvalidInputError
from catalog.providers.blobs import open_blobs
from catalog.uploads.service import UploadService

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import

ROOT = Path(__file__).parents[3]
SERVICE = """
import http.server, json, os, pathlib, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {"DATABASE_URL", "CACHE_URL", "API_URL", "FILES"}
        said = {name: value for name, value in os.environ.items() if name in told}
        said["here"] = pathlib.Path.cwd().name
        if "API_URL" in said:
            said["api"] = json.load(urllib.request.urlopen(said["API_URL"], timeout=10))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *args):
        print("visited", flush=True)

print("begins", flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
TELLING = """
import http.server, json, os


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
CHECK = 'python3 -c \'import os, urllib.request as u; u.urlopen("http://127.0.0.1:" + os.environ["PORT"])\''
SEED = "CREATE TABLE people (name text);\nINSERT INTO people VALUES ('Ann');\n"
COMPOSE: dict[str, dict[str, dict[str, Any]]] = {
    "services": {
        "web": {
            "build": "./site",
            "command": "python3 serve.py",
            "ports": ["8000"],
            "environment": {"API_URL": "http://api:8000/", "CACHE_URL": "redis://cache:6379"},
            "depends_on": ["api"],
        },
        "api": {
            "build": {"context": "services/api"},
            "command": ["python3", "serve.py"],
            "environment": ["DATABASE_URL=postgres://shop:hush@db:5432/shop"],
            "healthcheck": {"test": ["CMD-SHELL", CHECK.replace("$", "$$")], "interval": "2s"},
        },
        "worker": {"build": ".", "command": "exec sleep 600"},
        "db": {"image": "postgres:16", "environment": {"POSTGRES_PASSWORD": "hush"}},
        "cache": {"image": "redis:7"},
    }
}


def components(data: str = "synthetic") -> dict[str, Any]:
    return {
        "web": {
            "type": "process",
            "directory": "site",
            "command": "python3 serve.py",
            "env": {"API_URL": "${api.url}", "CACHE_URL": "${cache.url}", "FILES": "${files.url} ${files.secret_key}"},
            "dependsOn": ["worker"],
            "health": {"path": "/"},
        },
        "api": {
            "type": "process",
            "directory": "services/api",
            "command": "python3 serve.py",
            "env": {"DATABASE_URL": "${db.url}"},
            "health": {"command": CHECK},
        },
        "worker": {"type": "process", "command": "exec sleep 600", "health": {"running": "PT1S"}, "dependsOn": ["db"]},
        "db": {"type": "postgres", "seed": {"data": data, "sql": "db/seed.sql"}},
        "cache": {"type": "redis"},
        "files": {"type": "objects"},
    }


@pytest.fixture
def publish(world: World) -> Callable[..., World]:
    """Publish a blueprint with these parts, and make the repository one with two services and a seed."""

    def published(environment: dict[str, Any], files: dict[str, str] | None = None) -> World:
        package = dict(kinds()["deployment-blueprint"].skeleton("acme", "shop"))
        manifest = yaml.safe_load(package["asset.yaml"])
        outputs = {"url": "${web.url}", "revision": "${source.revision}"}
        manifest["spec"]["environment"] = {**environment, "outputs": outputs}
        package["asset.yaml"] = yaml.safe_dump(manifest).encode()
        archive = build_archive({path: PackageFile(data) for path, data in package.items()}).data
        with world.database.tenant_session(world.principal.tenant_id) as session:
            UploadService(session, open_blobs(world.settings)).receive(world.principal, io.BytesIO(archive))
        world.blueprint = "acme/shop"
        for folder in ("site", "services/api", "db"):
            (world.repository / folder).mkdir(parents=True)
        added = {"site/serve.py": SERVICE, "services/api/serve.py": SERVICE, "db/seed.sql": SEED, **(files or {})}
        world.commit("one", **added)
        return world

    return published


def people(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM people ORDER BY name").fetchall()]


def test_services_of_one_repository_with_a_database_that_keeps_its_data(publish: Callable[..., World]) -> None:
    shop = publish({"components": components()})
    environment_id = shop.request()
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.failure, ready.phase) == (None, Phase.READY), ready.failure
    said = json.loads(shop.visit(ready)[1])
    assert (said["here"], said["api"]["here"]) == ("site", "api")
    files, key = said["FILES"].split()
    assert httpx.get(f"{files}/app").status_code == 403
    database = said["api"]["DATABASE_URL"]
    assert key not in database
    assert people(database) == ["Ann"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO people VALUES ('Bob')")
    assert {"begins", "visited"} <= set(shop.log(environment_id))
    secret = database.split(":")[2].split("@")[0]
    assert secret not in shop.graph(environment_id).model_dump_json()
    assert secret not in ready.model_dump_json()
    assert secret not in "\n".join(shop.log(environment_id))

    second = shop.commit("two", **{"db/seed.sql": "SELECT 1/0;"})
    shop.watch()
    moved = shop.look(environment_id)
    assert (moved.phase, moved.deployed_sha, moved.failure) == (Phase.READY, second, None)
    assert people(json.loads(shop.visit(moved)[1])["api"]["DATABASE_URL"]) == ["Ann", "Bob"], "it begins once"

    shop.act("sleep", environment_id)
    shop.work()
    assert not [each for each in shop.look(environment_id).resources if each.type == "slipway:local:Backing"]
    shop.act("wake", environment_id)
    shop.work()
    awake = shop.look(environment_id)
    assert (awake.phase, awake.failure) == (Phase.READY, None)
    assert people(json.loads(shop.visit(awake)[1])["api"]["DATABASE_URL"]) == ["Ann", "Bob"]

    shop.destroy(environment_id)
    shop.work()
    assert shop.look(environment_id).phase is Phase.DESTROYED
    assert not shop.left_over(ready), shop.left_over(ready)


def publish_curated(world: World, name: str) -> None:
    """Publish a curated blueprint as one of ``acme``, and take it from now on."""
    folder = ROOT / "blueprints" / "environments" / name
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found["asset.yaml"] = found["asset.yaml"].replace(b"namespace: slipway", b"namespace: acme")
    archive = build_archive({path: PackageFile(data) for path, data in found.items()}).data
    with world.database.tenant_session(world.principal.tenant_id) as session:
        UploadService(session, open_blobs(world.settings)).receive(world.principal, io.BytesIO(archive))
    world.blueprint = f"acme/{name.replace('_', '-')}"


def test_the_curated_blueprint_with_data_has_a_database_a_cache_and_objects(world: World) -> None:
    publish_curated(world, "preview_data")
    world.commit("one", **{"app.py": TELLING})
    environment_id = world.request()
    world.work()
    ready = world.look(environment_id)
    assert (ready.failure, ready.phase) == (None, Phase.READY), ready.failure
    said = json.loads(world.visit(ready)[1])
    with psycopg.connect(said["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with redis.Redis.from_url(said["REDIS_URL"]) as cache:
        assert cache.ping()
    files = boto3.client(
        "s3",
        endpoint_url=said["AWS_ENDPOINT_URL"],
        region_name=said["AWS_REGION"],
        aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=said["AWS_SECRET_ACCESS_KEY"],
    )
    files.put_object(Bucket=said["BUCKET"], Key="a", Body=b"kept")
    assert files.get_object(Bucket=said["BUCKET"], Key="a")["Body"].read() == b"kept"
    for name in ("DATABASE_URL", "REDIS_URL", "AWS_SECRET_ACCESS_KEY"):
        assert said[name] not in ready.model_dump_json() + world.graph(environment_id).model_dump_json()
    world.destroy(environment_id)
    world.work()
    assert world.look(environment_id).phase is Phase.DESTROYED
    assert not world.left_over(ready), world.left_over(ready)


def test_the_curated_blueprint_of_services_with_a_database_comes_up_and_goes(
    publish: Callable[..., World], world: World
) -> None:
    shop = publish({"components": {"web": {"type": "process", "procfile": "web"}}})
    publish_curated(world, "preview_services")
    for name in ("web", "api"):
        (shop.repository / name).mkdir()
    files = {"web/serve.py": SERVICE, "api/serve.py": SERVICE, "db/seed.sql": SEED}
    procfiles = {f"{name}/Procfile": f"{name}: exec python3 serve.py\n" for name in ("web", "api")}
    shop.commit("two", **files, **procfiles)
    environment_id = shop.request()
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.failure, ready.phase) == (None, Phase.READY), ready.failure
    said = json.loads(shop.visit(ready)[1])
    assert (said["here"], said["api"]["here"]) == ("web", "api")
    assert people(said["api"]["DATABASE_URL"]) == ["Ann"]
    shop.destroy(environment_id)
    shop.work()
    assert shop.look(environment_id).phase is Phase.DESTROYED
    assert not shop.left_over(ready), shop.left_over(ready)


def test_a_compose_file_says_what_runs_and_another_commit_may_say_something_else(publish: Callable[..., World]) -> None:
    shop = publish({"from": {"format": "compose"}}, {"docker-compose.yml": json.dumps(COMPOSE)})
    environment_id = shop.request()
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.failure, ready.phase) == (None, Phase.READY), ready.failure
    said = json.loads(shop.visit(ready)[1])
    assert said["api"]["DATABASE_URL"].startswith("postgres://app:")
    with psycopg.connect(said["api"]["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("app",)

    hostile = {"services": {**COMPOSE["services"], "web": {**COMPOSE["services"]["web"], "privileged": True}}}
    shop.commit("hostile", **{"docker-compose.yml": json.dumps(hostile, indent=1)})
    shop.watch()
    failed = shop.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "repository_file_refused"
    assert "docker-compose.yml:" in failed.failure.message
    assert "services.web.privileged is not understood" in failed.failure.message
    assert json.loads(shop.visit(failed)[1])["here"] == "site", "what was there still serves"
    shop.destroy(environment_id)
    shop.work()
    assert not shop.left_over(ready), shop.left_over(ready)


def test_a_service_of_another_repository_stays_at_the_commit_that_was_requested(
    publish: Callable[..., World], tmp_path: Path
) -> None:
    other = tmp_path / "api"

    def commit(text: str) -> str:
        git = ["git", "-C", str(other), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
        (other / "serve.py").write_text(f"{text}\n{SERVICE}")
        for arguments in (["add", "--all"], ["commit", "--quiet", "--message", text[2:]]):
            subprocess.run([*git, *arguments], check=True)
        return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(other)], check=True)
    first = commit("# one")
    api = {"type": "process", "repository": "api", "command": "python3 serve.py", "health": {"tcp": True}}
    web = {"type": "process", "directory": "site", "command": "python3 serve.py", "env": {"API_URL": "${api.url}"}}
    others = {"api": {"repository": str(other), "ref": "main"}}
    shop = publish({"repositories": others, "components": {"api": api, "web": web}})
    environment_id = shop.request()
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.failure, ready.phase) == (None, Phase.READY), ready.failure
    assert json.loads(shop.visit(ready)[1])["api"]["here"] == f"api-{first[:16]}"
    second = commit("# two")
    shop.request()
    shop.work()
    moved = shop.look(environment_id)
    assert json.loads(shop.visit(moved)[1])["api"]["here"] == f"api-{second[:16]}"
    shop.destroy(environment_id)
    shop.work()
    assert not shop.left_over(ready), shop.left_over(ready)
    other.rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="takes services from"):
        shop.request()


def test_production_data_is_refused_unless_the_operator_allows_it(publish: Callable[..., World]) -> None:
    shop = publish({"components": components("production")})
    with pytest.raises(ProductionDataRefusedError, match="SLIPWAY_PRODUCTION_DATA_TENANTS"):
        shop.request()
    shop.settings = shop.settings.model_copy(update={"production_data_tenants": ("acme",)})
    assert shop.look(shop.request()).phase is Phase.QUEUED
