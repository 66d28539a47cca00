"""Campaigns over HTTP and on the command line: asked for, watched, decided about, refused with the field at fault."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.settings import Settings
from catalog.tenancy import Principal
from tests.policy_bundles import ALLOW
from workers import campaigns, installation
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Client = TestClient[Litestar]
PATH = "/api/v1/campaigns"
ASKED: dict[str, Any] = {
    "name": "Rules to 1.1",
    "asset": "acme/rules",
    "waves": [{"size": "1", "at_once": 1}, {"size": "100%", "at_once": 2}],
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings under which nobody waits for a plan: the worker has its turn in between."""
    return settings.model_copy(update={"upload_wait_seconds": 0.0})


@pytest.fixture
def work(settings: Settings) -> Iterator[Callable[[], None]]:
    """Return what lets workers do everything that is due."""
    app = App(settings, registry([installation.WORKER, campaigns.WORKER]))

    def run() -> None:
        drain(app)
        for _ in range(20):
            campaigns.tick_due(JobContext(app.runtime, "campaigns.tick_due"))
            if not drain(app):
                return
        raise AssertionError("it never comes to rest")

    yield run
    app.close()


@pytest.fixture
def installs(
    api: Client, publish_policy: Callable[..., str], work: Callable[[], None], acme: Principal
) -> dict[str, str]:
    """Two installs of version 1.0.0 where 1.1.0 is there, by name."""
    publish_policy(acme, "rules", ALLOW)
    made = {}
    for name in ("one", "two"):
        target = {"level": "advisory", "applies_to": {"kind": "service", "name": name}}
        answer = api.post("/api/v1/installs", json={"asset": "acme/rules", "target": target, "name": name})
        assert answer.status_code == 202, answer.text
        made[name] = answer.json()["install"]["id"]
    work()
    publish_policy(acme, "rules", ALLOW, "1.1.0")
    return made


def test_from_asking_to_the_end(
    api: Client,
    client_of: Callable[..., Client],
    installs: dict[str, str],
    work: Callable[[], None],
    acme: Principal,
    rival: Principal,
) -> None:
    seen = api.post(f"{PATH}/preview", json=ASKED)
    assert seen.status_code == 200, seen.text
    assert [[each["name"] for each in wave["installs"]] for wave in seen.json()["waves"]] == [["one"], ["two"]]
    made = api.post(PATH, json=ASKED)
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    assert where == f"{PATH}/{made.json()['id']}"
    work()
    planned = api.get(where).json()
    assert (planned["state"], planned["version"], planned["asked"]["soak"]) == ("planned", "1.1.0", "PT1H")
    assert api.post(f"{where}/start").status_code == 200
    work()
    watched = api.get(where).json()
    assert (watched["state"], watched["wave"], watched["waves"][0]["counts"]) == ("soaking", 1, {"upgraded": 1})
    assert api.post(f"{where}/pause", json={"reason": "Lunch."}).json()["reason"] == "Lunch."
    assert api.post(f"{where}/start").json()["type"] == "urn:slipway:problem:campaign_move"
    assert api.post(f"{where}/promote", json={}).json()["wave"] == 2
    work()
    back = api.post(f"{where}/rollback", json={"all_waves": True})
    assert back.json()["state"] == "rolling_back", back.text
    work()
    ended = api.get(where).json()
    assert (ended["state"], {each["state"] for each in ended["members"]}) == ("aborted", {"rolled_back"})
    assert [each["id"] for each in api.get(PATH).json()["items"]] == [ended["id"]]
    assert client_of(rival).get(PATH).json()["items"] == []
    assert client_of(acme, ["campaigns:read"]).post(PATH, json=ASKED).status_code == 403
    assert client_of(acme, ["campaigns:write"]).post(PATH, json=ASKED).status_code == 403, "it takes installs:write"
    assert installs


def test_every_field_at_fault_is_named(api: Client, installs: dict[str, str]) -> None:
    assert installs
    wrong = {**ASKED, "waves": [{"size": "0"}], "soak": "soon", "stop_share": 2, "asset": "rules"}
    refused = api.post(PATH, json=wrong)
    assert refused.status_code == 422
    pointers = {each["pointer"] for each in refused.json()["errors"]}
    assert pointers - {"/waves"} == {"/waves/0/size", "/soak", "/stop_share", "/asset"}
    metric = {"name": "failures", "provider": "wave-facts", "query": "nonsense", "successCondition": "result < 1"}
    odd = {**ASKED, "windows": [{"zone": "Mars/Olympus"}], "selector": {"from_version": "!!"}}
    refused = api.post(PATH, json=odd)
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/windows/0/zone", "/selector/from_version"}
    refused = api.post(PATH, json={**ASKED, "analysis": {"metrics": [metric]}})
    assert (refused.status_code, "failed_share" in refused.text) == (422, True), refused.text
    assert api.post(PATH, json={**ASKED, "asset": "acme/nothing"}).status_code == 404
    assert api.post(PATH, json={**ASKED, "waves": []}).status_code == 422
    assert api.post(PATH, json={**ASKED, "version": "9.0.0"}).status_code in {409, 422}
    assert api.get(PATH).json()["items"] == []
