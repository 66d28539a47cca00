"""Files of repositories as components: what is understood, what is refused and where, and hostile files of any kind."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.blueprint_spec import BlueprintSpec, parse_spec
from catalog.assets.repository_files import SourceRefusedError, components_of, with_components

COMPOSE = """
name: shop
services:
  web:
    build: {context: ./services/web}
    command: ["python3", "-m", "app", "--title", "a b"]
    ports: ["8080:8000"]
    environment:
      DATABASE_URL: postgresql+psycopg://shop:hush@db:5432/shop?sslmode=disable
      CACHE_URL: redis://cache:6379/1
      API_URL: http://api:9000/v1?x=1
      DB_HOST: db
      API: api:9000
      PRICE: 5$$
      PORT: 8000
      WORKERS: 2
    depends_on:
      db: {condition: service_healthy}
      api: {condition: service_started}
    healthcheck: {test: ["CMD-SHELL", "curl -f http://localhost:$$PORT/"], interval: 5s, retries: 4}
    deploy: {resources: {limits: {memory: 256M}}}
    restart: always
  api:
    build: .
    environment: ["LEVEL=info"]
    expose: ["9000"]
  worker:
    build: .
    command: python3 work.py
  db:
    image: docker.io/library/postgres:16-alpine
    environment: {POSTGRES_PASSWORD: hush}
    volumes: ["data:/var/lib/postgresql/data"]
  cache:
    image: redis:7
volumes:
  data:
"""

SCORE = """
apiVersion: score.dev/v1b1
metadata: {name: shop}
containers:
  web:
    image: .
    command: [python3]
    args: [app.py]
    variables:
      DATABASE: postgres://${resources.db.username}:${resources.db.password}@${resources.db.host}/${resources.db.name}
      NAME: ${metadata.name}-$$HOME
    resources: {limits: {memory: 128Mi}}
    readinessProbe: {httpGet: {path: /ready, port: 8080}}
service:
  ports: {www: {port: 80, targetPort: 8080}}
resources:
  db: {type: postgres}
"""


TAKES = "takes a value from the machine's environment."


def spec(form: str, **components: Any) -> BlueprintSpec:
    environment = {"from": {"format": form}, "components": components, "outputs": {"url": "${web.url}"}}
    return parse_spec({"spec": {"targets": ["local"], "environment": environment}})


def refused(form: str, text: str) -> list[str]:
    with pytest.raises(SourceRefusedError) as caught:
        components_of(form, "the-file", text.encode())
    assert "the-file:" in caught.value.detail
    return [f"{each.line}: {each.message}" for each in caught.value.findings]


def test_compose_becomes_processes_and_what_is_behind_them() -> None:
    made = with_components(spec("compose"), components_of("compose", "docker-compose.yml", COMPOSE.encode()))
    environment = made.environment
    assert environment.file is None
    assert {name: each.type for name, each in environment.backing.items()} == {"db": "postgres", "cache": "redis"}
    web = environment.processes["web"]
    assert web.directory == "services/web"
    assert web.command == "python3 -m app --title 'a b'"
    assert web.env == {
        "DATABASE_URL": "postgresql+psycopg://${db.user}:${db.password}@${db.host}:${db.port}/${db.database}?sslmode=disable",
        "CACHE_URL": "redis://:${cache.password}@${cache.host}:${cache.port}/1",
        "API_URL": "http://${api.host}:${api.port}/v1?x=1",
        "DB_HOST": "${db.host}",
        "API": "${api.host}:${api.port}",
        "PRICE": "5$",
        "WORKERS": "2",
    }
    assert web.depends_on == ("db", "api")
    assert web.health is not None
    assert (web.health.way, web.health.command, web.health.timeout) == (
        "command",
        "curl -f http://localhost:$PORT/",
        "PT20S",
    )
    assert web.limits.memory_mb == 256
    api, worker = environment.processes["api"], environment.processes["worker"]
    assert (api.procfile, api.directory) == ("api", None)
    assert api.health is not None
    assert api.health.way == "tcp"
    assert worker.health is not None
    assert worker.health.way == "running"


def test_a_component_of_the_blueprint_counts_before_one_of_the_file() -> None:
    seeded = {"type": "postgres", "seed": {"data": "synthetic", "sql": "db/seed.sql"}}
    made = with_components(spec("compose", db=seeded), components_of("compose", "c.yml", COMPOSE.encode()))
    assert made.environment.backing["db"].model_dump(exclude_unset=True)["seed"]["sql"] == "db/seed.sql"


def test_what_a_component_of_the_file_does_not_tell_is_said_before_anything_is_made() -> None:
    web = {"type": "process", "command": "serve"}
    password = {**web, "env": {"A": "${db.password}"}}
    described = {
        "${db.password}": ({"db": {"type": "process", "command": "x"}}, "db is a process that has no such value"),
        "${cache.bucket}": ({"cache": {"type": "redis"}}, "cache is a redis that has no such value"),
        "${gone.port}": ({"db": {"type": "postgres"}}, "from gone, which is not there"),
    }
    for text, (found, said) in described.items():
        with pytest.raises(SourceRefusedError, match=said):
            with_components(spec("compose", web={**password, "env": {"A": text}}), found)
    with pytest.raises(SourceRefusedError, match="Nothing of it runs an application"):
        with_components(spec("compose"), {"db": {"type": "postgres"}})
    assert with_components(spec("compose", web=password), {"db": {"type": "postgres"}})


def test_score_becomes_a_process_and_its_resources() -> None:
    made = with_components(spec("score"), components_of("score", "score.yaml", SCORE.encode()))
    web = made.environment.processes["web"]
    assert web.command == "python3 app.py"
    assert web.env["DATABASE"] == "postgres://${db.user}:${db.password}@${db.host}/${db.database}"
    assert web.env["NAME"] == "shop-$HOME"
    assert web.health is not None
    assert (web.health.way, web.health.path) == ("http", "/ready")
    assert web.limits.memory_mb == 128
    assert made.environment.backing["db"].type == "postgres"


def test_procfile_becomes_a_process_for_each_entry() -> None:
    text = b"# all of it\nweb: gunicorn app\nsend_mail: python3 mail.py\nrelease: ./migrate\n"
    made = with_components(spec("procfile"), components_of("procfile", "Procfile", text)).environment.processes
    assert {name: (each.procfile, each.health.way if each.health else "") for name, each in made.items()} == {
        "web": ("web", "tcp"),
        "send-mail": ("send_mail", "running"),
    }
    assert refused("procfile", "web: a\nnothing here\nweb: b") == [
        "2: The line is no entry.",
        "3: There are two entries web.",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("privileged: true", "services.web.privileged is not understood."),
        ("network_mode: host", "services.web.network_mode is not understood."),
        ("env_file: .env", "services.web.env_file is not understood."),
        ("entrypoint: sh", "services.web.entrypoint is not understood."),
        ("volumes: ['/:/host']", "services.web.volumes[0] mounts something of the machine or is kept."),
        ("volumes: ['./src:/app']", "services.web.volumes[0] mounts something of the machine or is kept."),
        ("environment: [TOKEN]", "services.web.environment[0] has no value."),
        (
            "environment: {TOKEN: '${TOKEN}'}",
            f"services.web.environment.TOKEN {TAKES}",
        ),
        ("command: echo $HOME", f"services.web.command {TAKES}"),
        ("depends_on: [nobody]", "services.web.depends_on[0] is no other service."),
        (
            "depends_on: {web: {condition: service_completed_successfully}}",
            "services.web.depends_on.web.condition is not understood.",
        ),
        ("healthcheck: {test: [RUN, it]}", "services.web.healthcheck.test is no test."),
        ("healthcheck: {test: ok, interval: soon}", "services.web.healthcheck.interval is no duration."),
        ("mem_limit: much", "services.web.mem_limit is no size."),
        ("<<: {build: .}", "services.web.<< is not understood."),
    ],
)
def test_compose_refuses_by_name_and_line(line: str, message: str) -> None:
    assert f"4: {message}" in refused("compose", f"services:\n  web:\n    build: .\n    {line}\n")


@pytest.mark.parametrize("folder", ["..", "../other", "/etc", "a/../../b", "https://example.com/x.git", ".git", "-x"])
def test_nothing_outside_the_repository_is_built(folder: str) -> None:
    found = refused("compose", f"services:\n  web:\n    build: {json.dumps(folder)}\n")
    assert found == ["3: services.web.build is no folder inside the repository."]


def test_score_refuses_by_name_and_line() -> None:
    found = refused("score", SCORE.replace("type: postgres", "type: volume").replace("image: .", "files: []"))
    assert "6: containers.web.files is not understood." in found
    assert any(each.endswith("resources.db.type is not known here.") for each in found)
    assert any("takes a value that is not known" in each for each in found)


def test_what_waits_for_itself_or_leads_nowhere_is_refused() -> None:
    circle = "services:\n  web: {build: ., depends_on: [api]}\n  api: {build: ., environment: {WEB: 'http://web:1/'}}\n"
    with pytest.raises(SourceRefusedError, match="wait for each other"):
        with_components(spec("compose"), components_of("compose", "c.yml", circle.encode()))
    with pytest.raises(SourceRefusedError, match="refers to web, which the file does not describe"):
        with_components(spec("compose"), components_of("compose", "c.yml", b"services: {api: {build: .}}"))
    many = {"services": {f"s{number}": {"build": "."} for number in range(11)}}
    with pytest.raises(SourceRefusedError, match="at most 10"):
        with_components(spec("compose"), components_of("compose", "c.yml", json.dumps(many).encode()))
    assert refused("compose", "services: {}") == ["1: The file describes nothing that runs."]
    refused("compose", "a: &a [*a]")
    refused("compose", "services: [" * 100)
    refused("compose", "x: " + "y" * 70_000)


WORDS = st.sampled_from(
    [
        *("services", "web", "db", "build", "image", "postgres", "environment", "depends_on", "healthcheck", "test"),
        *("volumes", "ports", "command", "deploy", "resources", "limits", "memory", "CMD", "CMD-SHELL", ".", "..", "$"),
        *(
            "$${x}",
            "${web.url}",
            "http://db:1/${secrets.A}",
            "db",
            "containers",
            "apiVersion",
            "score.dev/v1b1",
            "type",
        ),
        *("metadata", "name", "variables", "service", "args", "condition", "service_healthy", "interval", "5s", "x-a"),
        *("${resources.db.host}", "$$${resources.db.host}", "$$", "readinessProbe", "httpGet", "path", "exec"),
    ]
)
PLAIN = WORDS | st.text(max_size=12) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=5)
)
SERVICE = st.dictionaries(WORDS, TREES, max_size=6)


@given(
    form=st.sampled_from(["compose", "score", "procfile"]),
    data=st.binary(max_size=300)
    | st.builds(lambda tree: yaml.safe_dump(tree).encode(), TREES)
    | st.builds(
        lambda key, each: yaml.safe_dump(
            {**({} if key == "services" else {"apiVersion": "score.dev/v1b1"}), key: {"web": {"build": ".", **each}}}
        ).encode(),
        st.sampled_from(["services", "containers"]),
        SERVICE,
    ),
)
def test_any_file_becomes_components_or_is_refused_and_names_no_secret(form: str, data: bytes) -> None:
    try:
        made = with_components(spec(form), components_of(form, "file", data))
    except SourceRefusedError:
        return
    for process in made.environment.processes.values():
        for text in process.env.values():
            assert "${secrets." not in text.replace("$${", "")
        assert process.directory is None or ".." not in process.directory


def test_a_password_of_what_a_file_describes_is_shown_nowhere() -> None:
    found = components_of("compose", "c.yml", COMPOSE.encode())
    shows = {"type": "process", "procfile": "web", "health": {"path": "/?key=${db.password}"}}
    with pytest.raises(SourceRefusedError, match=r"health path of shows would show \$\{db.password\}"):
        with_components(spec("compose", shows=shows), found)
