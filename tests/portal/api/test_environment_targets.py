"""Where environments go, over HTTP: who has a say, what a tenant chooses, and what an operator takes away."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import text

from catalog.db import Database
from catalog.environments.errors import TargetNotOfferedError
from catalog.environments.service import EnvironmentAutomation, EnvironmentSweeps, EphemeralEnvironmentService, obey
from catalog.providers.scm import Association
from catalog.scm.commands import Command, Verb
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.app import create_app
from portal.cli.sample_repository import BRANCH, PULL_REQUEST, ensure_sample_repository

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
Elsewhere = Callable[..., tuple[Settings, Client]]
API = "/api/v1"
TARGET = f"{API}/environments/target"
TARGETS = ("local", "docker", "kubernetes")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Offer three targets, of which the tenant ``rival`` may use one."""
    return settings.model_copy(
        update={
            "local_repository_roots": (tmp_path,),
            "master_key": SecretStr("0" * 43),
            "targets": TARGETS,
            "tenant_allowed_targets": {"rival": ("docker",)},
        }
    )


@pytest.fixture
def asked(api: Client, archive: bytes, tmp_path: Path) -> dict[str, Any]:
    """Publish a blueprint, and return what an environment of it is asked for with."""
    published = api.post(f"{API}/assets", files={"archive": ("a.tar.gz", archive, "application/gzip")})
    assert published.status_code == 201, published.text
    repository = ensure_sample_repository(tmp_path, os.defpath)[0]
    return {
        "repository": str(repository),
        "pull_request": PULL_REQUEST,
        "branch": BRANCH,
        "blueprint": "acme/preview",
    }


def choose(client: Client, target: str | None) -> dict[str, Any]:
    answer = client.put(TARGET, json={"target": target})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def goes(client: Client) -> tuple[str, str]:
    """Return where environments go that nobody names a target for, and by whose word."""
    placement = client.get(TARGET).json()["placement"]
    return placement["target"], placement["by"]


def request(client: Client, asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ask for an environment and return it."""
    answer = client.post(f"{API}/environments/ephemeral", json={**asked, **more})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = client.get(f"{API}/environments/{answer.json()['id']}").json()
    return found


def told(found: dict[str, Any], kind: str) -> str:
    """Return what a condition says that is false, "" where it is not there."""
    return "".join(each["message"] for each in found["conditions"] if each["type"] == kind and not each["status"])


@pytest.fixture
def elsewhere(settings: Settings, api: Client) -> Iterator[Elsewhere]:
    """Return what gives the installation as an operator has set it since, with a client of it for the same caller."""
    with ExitStack() as opened:

        def change(**changes: Any) -> tuple[Settings, Client]:
            own = settings.model_copy(update=changes)
            client = opened.enter_context(TestClient(create_app(own), base_url=str(api.base_url)))
            client.headers["Authorization"] = api.headers["Authorization"]
            return own, client

        yield change


def test_a_tenant_chooses_among_what_it_is_offered_and_takes_it_back(
    client_of: NewClient, acme: Principal, rival: Principal, database: Database
) -> None:
    mine, theirs = client_of(acme), client_of(rival)
    before = mine.get(TARGET).json()
    assert ([each["name"] for each in before["offered"]], before["target"]) == (list(TARGETS), None)
    assert goes(mine) == ("local", "installation")
    chosen = choose(mine, "kubernetes")
    assert (chosen["target"], chosen["problem"], chosen["chosen_by"]) == ("kubernetes", "", "test")
    assert goes(mine) == ("kubernetes", "tenant")
    choose(mine, "kubernetes")

    assert [each["name"] for each in theirs.get(TARGET).json()["offered"]] == ["docker"]
    assert goes(theirs) == ("docker", "installation")
    refused = theirs.put(TARGET, json={"target": "kubernetes"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0] == {
        "pointer": "/target",
        "detail": "There is no target kubernetes here; there is docker.",
    }
    assert choose(mine, None)["target"] is None
    assert goes(mine) == ("local", "installation")
    with database.tenant_session(acme.tenant_id) as session:
        events = session.connection().execute(
            text("SELECT data FROM events WHERE type LIKE '%target_chosen%' ORDER BY sequence")
        )
        changes = [(each["target"], each["before"]) for each in events.scalars()]
        audited = session.connection().execute(
            text("SELECT count(*) FROM audit_entries WHERE action = 'environment.choose_target'")
        )
        assert audited.scalar() == len(changes)
    assert changes == [("kubernetes", None), (None, "kubernetes")]


@pytest.mark.parametrize("body", [{}, {"target": "moon"}, {"target": "x" * 31}, {"target": "local", "by": "me"}])
def test_what_is_no_target_is_refused(api: Client, body: dict[str, Any]) -> None:
    assert api.put(TARGET, json=body).status_code == 422
    assert goes(api) == ("local", "installation")


def test_members_look_and_administrators_choose(client_of: NewClient, acme: Principal) -> None:
    member = client_of(acme, ["environments:write"])
    assert member.get(TARGET).status_code == 200
    assert member.put(TARGET, json={"target": "docker"}).status_code == 403
    assert client_of(acme, ["assets:admin"]).get(TARGET).status_code == 403


def test_a_request_goes_before_the_choice_and_what_is_there_stays(api: Client, asked: dict[str, Any]) -> None:
    choose(api, "docker")
    assert request(api, asked)["target"] == "docker"
    choose(api, "kubernetes")
    assert request(api, asked)["target"] == "docker"
    explained = api.get(
        f"{API}/environments/explain", params={"repository": asked["repository"], "pull_request": PULL_REQUEST}
    ).json()["placement"]
    assert (explained["target"], explained["by"]) == ("docker", "environment")
    says = {each["by"]: each["target"] for each in explained["words"]}
    assert says == {
        "request": None,
        "environment": "docker",
        "automation": None,
        "tenant": "kubernetes",
        "operator": None,
        "installation": "local",
    }
    other = {**asked, "pull_request": PULL_REQUEST + 1}
    assert request(api, other, target="local")["target"] == "local"
    refused = api.post(f"{API}/environments/ephemeral", json={**other, "target": "docker"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/target")


def test_what_begins_by_itself_goes_before_the_tenant_and_after_a_request(
    api: Client, asked: dict[str, Any], acme: Principal, database: Database, settings: Settings
) -> None:
    choose(api, "docker")
    binding = {"repository": asked["repository"], "blueprint": asked["blueprint"], "target": "kubernetes"}
    assert api.post(f"{API}/environments/automations", json={**binding, "target": "moon"}).status_code == 422
    made = api.post(f"{API}/environments/automations", json=binding)
    assert (made.status_code, made.json()["target"]) == (200, "kubernetes")
    where = {"repository": asked["repository"], "pull_request": PULL_REQUEST}
    explained = api.get(f"{API}/environments/explain", params=where).json()
    assert (explained["placement"]["target"], explained["placement"]["by"]) == ("kubernetes", "automation")
    with database.tenant_session(acme.tenant_id) as session:
        own = EnvironmentAutomation(session, settings).ask_for(acme, asked["repository"], PULL_REQUEST)
        assert own is not None
        assert own.target == "kubernetes"
    assert request(api, {**asked, "pull_request": PULL_REQUEST + 1}, target="local")["target"] == "local"
    # What is there stays, whatever begins by itself says since.
    api.post(f"{API}/environments/automations", json={**binding, "target": "local"})
    with database.tenant_session(acme.tenant_id) as session:
        again = EnvironmentAutomation(session, settings).ask_for(acme, asked["repository"], PULL_REQUEST)
        assert again is not None
        assert again.target == "kubernetes"


def test_what_began_by_itself_is_made_again_by_a_comment_where_that_goes(
    api: Client, asked: dict[str, Any], acme: Principal, database: Database, settings: Settings
) -> None:
    binding = {"repository": asked["repository"], "blueprint": asked["blueprint"], "target": "kubernetes"}
    assert api.post(f"{API}/environments/automations", json=binding).status_code == 200
    with database.tenant_session(acme.tenant_id) as session:
        first = EnvironmentAutomation(session, settings).ask_for(acme, asked["repository"], PULL_REQUEST)
        assert first is not None
        session.execute(text("UPDATE environments SET phase = 'destroyed', desired = 'absent'"))
    with database.tenant_session(acme.tenant_id) as session:
        repository = ScmService(session, settings).open(acme.tenant_id, asked["repository"])
        pull, up = repository.pull_request(PULL_REQUEST), Command(Verb.UP)
        told = (session, settings, acme.tenant_id, repository.address, pull, up)
        assert "asked for again" in obey(*told, author="ann", association=Association.OWNER)
    (again,) = api.get(f"{API}/environments").json()["items"]
    assert (again["target"], again["phase"]) == ("kubernetes", "queued")


def test_the_choice_goes_before_the_operators_word_and_that_before_the_installations(
    elsewhere: Elsewhere,
) -> None:
    _, client = elsewhere(tenant_targets={"acme": "docker"})
    assert goes(client) == ("docker", "operator")
    choose(client, "kubernetes")
    assert goes(client) == ("kubernetes", "tenant")


def test_a_target_that_is_taken_away_is_told_and_nothing_is_lost(
    api: Client,
    asked: dict[str, Any],
    acme: Principal,
    database: Database,
    settings: Settings,
    elsewhere: Elsewhere,
) -> None:
    choose(api, "docker")
    there = request(api, asked)
    less, client = elsewhere(targets=("local", "kubernetes"))
    said = client.get(TARGET).json()
    assert said["target"] == "docker"
    assert "docker is not offered to your tenant any more. New environments go to local meanwhile." in said["problem"]
    assert goes(client) == ("local", "installation")
    new = request(client, {**asked, "pull_request": PULL_REQUEST + 1})
    assert new["target"] == "local"
    assert "chose the target docker, which is not offered here any more" in told(new, "ChosenTarget")

    def look(own: Settings) -> dict[str, Any]:
        with database.tenant_session(acme.tenant_id) as session:
            EnvironmentSweeps(session, own).note_offers(acme.tenant_id)
        found: dict[str, Any] = client.get(f"{API}/environments/{there['id']}").json()
        return found

    noted = look(less)
    assert noted["target"] == "docker"
    assert "This environment stays there as long as it lives" in told(noted, "TargetOffered")
    assert look(less)["conditions"] == noted["conditions"]
    assert request(client, asked)["target"] == "docker"
    assert told(look(settings), "TargetOffered") == ""
    assert goes(api) == ("docker", "tenant")


def test_what_begins_by_itself_waits_for_its_target_to_come_back(
    api: Client,
    asked: dict[str, Any],
    acme: Principal,
    database: Database,
    settings: Settings,
    elsewhere: Elsewhere,
) -> None:
    binding = {"repository": asked["repository"], "blueprint": asked["blueprint"], "target": "docker"}
    assert api.post(f"{API}/environments/automations", json=binding).status_code == 200
    less, client = elsewhere(targets=("local",))
    with database.tenant_session(acme.tenant_id) as session, pytest.raises(TargetNotOfferedError, match="docker"):
        EnvironmentAutomation(session, less).ask_for(acme, asked["repository"], PULL_REQUEST)
    (kept,) = client.get(f"{API}/environments/automations").json()["items"]
    assert kept["target"] == "docker"
    where = {"repository": asked["repository"], "pull_request": PULL_REQUEST}
    explained = client.get(f"{API}/environments/explain", params=where).json()["placement"]
    assert (explained["target"], explained["by"]) == (None, "automation")
    assert explained["words"][2]["against"] == "There is no target docker here; there is local."
    with database.tenant_session(acme.tenant_id) as session:
        made = EnvironmentAutomation(session, settings).ask_for(acme, asked["repository"], PULL_REQUEST)
        assert made is not None
        assert made.target == "docker"


def test_a_new_life_goes_where_new_environments_go(
    api: Client, asked: dict[str, Any], acme: Principal, database: Database, settings: Settings
) -> None:
    there = request(api, asked)
    with database.tenant_session(acme.tenant_id) as session:
        EphemeralEnvironmentService(session, settings).destroy(acme, UUID(there["id"]))
        session.execute(text("UPDATE environments SET phase = 'destroyed' WHERE id = :id"), {"id": there["id"]})
    choose(api, "kubernetes")
    again = request(api, asked)
    assert (again["id"], again["target"]) == (there["id"], "kubernetes")


def test_what_runs_on_a_target_that_is_installed_no_more_is_shown_and_may_be_destroyed(
    api: Client, asked: dict[str, Any], browser: Client, database: Database, acme: Principal
) -> None:
    found = request(api, asked)
    path = f"{API}/environments/{found['id']}"
    with database.tenant_session(acme.tenant_id) as session:
        session.execute(text("UPDATE environments SET target = 'mainframe'"))
        session.execute(text("UPDATE stacks SET target = 'mainframe'"))
    assert (api.get(path).json()["target"], api.get(path).json()["url"]) == ("mainframe", None)
    pages = (f"/environments/{found['id']}", "/environments")
    assert [browser.get(each).status_code for each in pages] == [200, 200]
    assert api.get(f"{path}/logs").status_code == 200
    assert api.delete(path).status_code == 202
