"""What a tenant has narrowed outlives upgrades of what is installed, or stops them and says why."""

from collections.abc import Callable

import pytest

from catalog.db import Database
from catalog.errors import ConflictError
from catalog.installs.shapes import AskUpgrade
from catalog.overlays.models import Rule, SetOverlay
from catalog.overlays.service import OverlayService
from catalog.tenancy import Principal
from tests.workers.installation.conftest import Do, Ledger, Repo

REASON = "It has to fit the banner."


def greeting(default: str, longest: int) -> str:
    """Return the property as a publisher declares it."""
    return f'"greeting": {{"type": "string", "default": "{default}", "maxLength": {longest}}}'


def test_an_overlay_outlives_upgrades_or_stops_them(
    publish: Do, repo: Repo, ledger: Ledger, work: Callable[..., list[str]], database: Database, acme: Principal
) -> None:
    publish("1.0.0", properties=greeting("hello", 50))
    rule = Rule.model_validate({"pointer": "/greeting", "maxLength": 20, "default": "Ahoy", "reason": REASON})
    with database.tenant_session(acme.tenant_id) as session:
        OverlayService(session).put(acme, "acme", "pipeline", SetOverlay(rules=[rule]))
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    path = ".github/workflows/build.yml"
    assert "Ahoy" in repo.read(path)

    publish("1.1.0", properties=greeting("welcome", 40))
    plan = ledger.ask("plan_upgrade", install.id, AskUpgrade())
    assert (plan.document["version"], plan.document["inputs"]["greeting"]) == ("1.1.0", "Ahoy")
    assert [each["pointer"] for each in plan.document["overlay"]["rules"]] == ["/greeting"]
    upgraded = ledger.apply(plan)
    assert upgraded.applied_revision == 2, "the same files, so there is nothing to merge"
    assert "Ahoy" in repo.read(path), "still the tenant's default, not the new version's"

    publish("2.0.0", properties=greeting("hi", 10))
    with pytest.raises(ConflictError) as refused:
        ledger.ask("plan_upgrade", install.id, AskUpgrade(version="2.0.0"))
    assert refused.value.code == "overlay_conflict"
    assert "longer than 10" in " ".join(each.detail for each in refused.value.errors)
    assert "Ahoy" in repo.read(path)
