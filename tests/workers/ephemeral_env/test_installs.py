"""Installs that are environments: the engine's preview in the plan, and the environment that comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from catalog.environments.models import Phase
from catalog.gates.inputs import InputService
from catalog.gating import GatePoint
from catalog.installs.shapes import AskInstall, AskUninstall, AskUpgrade
from tests.workers.installation.conftest import Ledger
from tests.workers.installation.remaking import hold_to_the_ledger
from workers import installation
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import
COUNTS = {"create": 0, "update": 0, "delete": 0, "same": 0}


def done(preview: dict[str, Any]) -> dict[str, str]:
    """Return what happens to each resource, by name."""
    return {each["name"]: each["operation"] for each in preview["resources"]}


def test_an_environment_is_previewed_installed_upgraded_and_removed(world: World) -> None:
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    target = {"repository": str(world.repository), "pull_request": 42}
    asked = AskInstall(asset=world.blueprint, target=target, inputs={"greeting": "Ahoy there"})
    world.work()  # the blueprint is signed, which a plan tells of
    plan = ledger.ask("plan_install", asked)
    assert plan.state == "ready", plan.problem
    preview = plan.document["preview"]
    assert preview["summary"] == {**COUNTS, "create": 3}
    assert done(preview) == {"checkout": "create", "route": "create", "web": "create"}
    assert preview["revision"] == world.git("rev-parse", "HEAD")
    assert {each["name"]: each["inputs"] for each in preview["resources"]}["web"]["env"] == "[secret]"
    with world.database.tenant_session(world.principal.tenant_id) as session:
        gate = InputService(session, world.settings)
        _, seen = gate.gather(world.principal.tenant_id, GatePoint.INSTALL, f"install-plans/{plan.id}", "ann")
    assert (seen["plan"]["source"], len(seen["plan"]["resources"])) == ("preview", 3)
    assert ledger.ask("plan_install", asked).digest == plan.digest  # the same world, the same plan

    install = ledger.apply(plan)
    assert (install.state, install.applied_revision) == ("applied", 1), install.failure
    environment = world.look(install.outputs["environment"])
    assert (environment.phase, world.visit(environment)) == (Phase.READY, (200, "one Ahoy there"))

    upgrade = ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={"greeting": "Good day"}))
    assert upgrade.state == "ready", upgrade.problem
    counted = upgrade.document["preview"]["summary"]
    assert counted["same"] >= 1
    assert done(upgrade.document["preview"])["web"] in {"update", "replace"}
    moved = world.commit("two")
    world.watch()  # the pull request moves on, and with it what would be done
    late = ledger.apply(upgrade)
    assert late.failure is not None
    assert late.failure.code == "plan_moved"
    again = ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={"greeting": "Good day"}))
    assert again.document["preview"]["revision"] == moved
    ledger.apply(again)
    assert world.visit(world.look(environment.id)) == (200, "two Good day")

    assert hold_to_the_ledger(ledger, install.id) == 2

    removal = ledger.ask("plan_removal", install.id, AskUninstall())
    assert removal.document["preview"]["summary"] == {**COUNTS, "delete": 3}
    assert set(done(removal.document["preview"]).values()) == {"delete"}
    assert ledger.apply(removal).state == "removed"
    assert world.look(environment.id).phase is Phase.DESTROYED


@contextmanager
def looking_ahead_for(world: World, seconds: float) -> Iterator[Ledger]:
    """Yield the service with a worker whose engine may look ahead for so many seconds."""
    settings = world.settings.model_copy(update={"install_preview_seconds": seconds})
    app = App(settings, registry([installation.WORKER]))
    yield Ledger(world.database, settings, world.principal, lambda **_: drain(app))
    app.close()


def test_where_the_engine_takes_too_long_the_plan_says_so_and_goes_without(world: World) -> None:
    asked = AskInstall(asset=world.blueprint, target={"repository": str(world.repository), "pull_request": 42})
    world.work()  # the blueprint is checked and published
    with looking_ahead_for(world, 0.05) as ledger:
        plan = ledger.ask("plan_install", asked)
        assert plan.state == "ready", plan.problem
        assert "did not finish within" in plan.document["preview"]["problem"]
    with looking_ahead_for(world, 0) as ledger:
        assert "preview" not in ledger.ask("plan_install", asked).document
