"""What a blueprint may say of its components: health, order, servers, secrets, and files of repositories."""

from typing import Any

import pytest
import yaml

from catalog.assets.archive import PackageFile
from catalog.assets.check import check_files
from catalog.assets.findings import Finding
from catalog.assets.kinds import kinds

DATABASE = {"type": "postgres", "seed": {"data": "synthetic", "sql": "db/seed.sql"}}


def process(**more: Any) -> dict[str, Any]:
    return {"type": "process", "procfile": "web", **more}


def check(environment: dict[str, Any]) -> list[Finding]:
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "my-preview"))
    manifest = yaml.safe_load(files["asset.yaml"])
    outputs = {"url": "${web.url}", "revision": "${source.revision}"}
    manifest["spec"]["environment"] = {"outputs": outputs, **environment}
    files["asset.yaml"] = yaml.safe_dump(manifest, sort_keys=False).encode()
    checked, _ = check_files({path: PackageFile(data) for path, data in files.items()})
    return list(checked.findings)


def components(**named: Any) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in check({"components": {"web": process(), **named}})]


def test_several_services_with_servers_behind_them_are_fine() -> None:
    web = process(
        directory="services/web",
        dependsOn=["api", "db"],
        env={"API": "${api.url}", "TOKEN": "${secrets.TOKEN}", "URL": "${db.url}", "CACHE": "${cache.password}"},
        health={"command": "test -f ready", "timeout": "PT10S"},
    )
    worker = process(procfile="worker", health={"running": "PT2S"})
    named = {"web": web, "api": process(health={"tcp": True}), "worker": worker, "db": DATABASE}
    files = process(env={"KEY": "${files.secret_key}", "AT": "${files.url}/${files.bucket}"})
    more = {"cache": {"type": "redis"}, "files": {"type": "objects"}, "uploads": files}
    assert check({"components": {**named, **more}}) == []


def test_a_file_of_the_repository_may_say_what_there_is() -> None:
    assert check({"from": {"format": "compose"}}) == []
    seeded = {"from": {"format": "score", "file": "deploy/score.yaml"}, "components": {"db": DATABASE}}
    assert check(seeded) == []
    hidden = {**seeded, "outputs": {"url": "${web.url}", "revision": "${db.password}"}}
    assert [each.rule for each in check(hidden)] == ["wiring"]
    assert [each.rule for each in check({})] == ["component-missing", "output-url", "wiring"]
    assert [each.rule for each in check({"from": {"format": "helm"}})] == ["field-value"]


@pytest.mark.parametrize(
    ("component", "rule"),
    [
        (process(dependsOn=["nobody"]), "depends-on"),
        (process(dependsOn=["api"]), "depends-on"),
        (process(health={"path": "/", "tcp": True}), "health-way"),
        (process(health={"running": "PT1S", "command": "true"}), "health-way"),
        (process(directory="../other"), "field-value"),
        (process(directory="/etc"), "field-value"),
        (process(directory=".git"), "field-value"),
        (process(env={"A": "${secrets.a-b}"}), "wiring"),
        (process(env={"A": "${secrets}"}), "field-value"),
        (process(health={"path": "/${secrets.TOKEN}"}), "wiring"),
        ({"type": "postgres", "seed": {"data": "synthetic"}}, "seed"),
        ({"type": "postgres", "seed": {"data": "synthetic", "sql": "a.sql", "command": "b"}}, "seed"),
        ({"type": "postgres", "seed": {"data": "unknown", "sql": "a.sql"}}, "field-value"),
        ({"type": "postgres", "seed": {"data": "masked", "sql": "../a.sql"}}, "field-value"),
        ({"type": "redis", "seed": {"data": "masked", "sql": "a.sql"}}, "unknown-field"),
        ({"type": "mysql"}, "field-value"),
    ],
)
def test_what_cannot_be_is_refused_by_name(component: dict[str, Any], rule: str) -> None:
    assert rule in [found for found, _message in components(api=component)]


@pytest.mark.parametrize("value", ["db.url", "db.password", "secrets.TOKEN"])
def test_no_secret_is_shown_by_an_output(value: str) -> None:
    outputs = {"url": "${web.url}", "revision": f"${{{value}}}"}
    found = check({"components": {"web": process(), "db": DATABASE}, "outputs": outputs})
    assert [each.rule for each in found] == ["wiring"]
    assert "shown here" in found[0].message


def test_services_may_come_from_other_repositories() -> None:
    address = {"repository": "${inputs.greeting}", "ref": "main"}
    named = {"web": process(), "api": process(repository="api", directory="server")}
    assert check({"repositories": {"api": address}, "components": named}) == []
    assert [each.rule for each in check({"components": named})] == ["repository"]
    for other in ({**address, "commit": "a" * 40}, {"repository": "${web.url}"}, {"repository": "${inputs.none}"}):
        assert {each.rule for each in check({"repositories": {"api": other}, "components": named})} <= {
            "repository",
            "wiring",
        }
        assert check({"repositories": {"api": other}, "components": named}) != []


def test_components_that_wait_for_each_other_are_refused() -> None:
    named = {"api": process(dependsOn=["worker"]), "worker": process(env={"A": "${api.url}"})}
    found = components(**named)
    assert [rule for rule, _message in found] == ["component-cycle"]
    assert "api needs worker" in found[0][1]


def test_a_database_has_no_address_to_be_routed_to() -> None:
    outputs = {"url": "http://${db.host}:${db.port}/", "revision": "${source.revision}"}
    found = check({"components": {"web": process(), "db": DATABASE}, "outputs": outputs})
    assert [each.rule for each in found] == ["output-url"]
