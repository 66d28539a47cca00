"""Installs of component packages as stacks of their own: previewed, made, upgraded, rolled back, destroyed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from catalog.db import Database
from catalog.gates import PolicyDesk
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, AskRollback, AskUninstall, AskUpgrade
from catalog.policies.shapes import CreateBinding
from catalog.settings import Settings
from catalog.stacks.models import Stack
from catalog.stacks.service import MultiCloudProvisioningService
from tests.workers.engine.demo_provider import install_plugin
from tests.workers.ephemeral_env.things import NO_EVIL, publish_things
from tests.workers.installation.conftest import Ledger
from tests.workers.installation.remaking import hold_to_the_ledger
from tests.workers.lives import Lives, forked
from workers.engine import machine_identity

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import
SECRET = "hunter2-and-more"
IDENTITIES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "ARM_CLIENT_SECRET",
    "GOOGLE_APPLICATION_CREDENTIALS",
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let components use the pretended cloud."""
    return settings.model_copy(update={"component_providers": ("demo",)})


@pytest.fixture
def things(settings: Settings) -> Path:
    """The folder in which the things of the pretended cloud are."""
    return install_plugin(settings.data_dir)


def sizes(things: Path) -> list[str]:
    """Return what there is in the pretended cloud."""
    return sorted(each.read_text() for each in things.iterdir())


def stacks(database: Database, world: World) -> list[Stack]:
    with database.tenant_session(world.principal.tenant_id) as session:
        return list(MultiCloudProvisioningService(session).living(world.principal.tenant_id))


def test_a_component_is_a_stack_of_its_own(world: World, things: Path, database: Database) -> None:
    publish_things(world, "1.0.0")
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    given = {"sizes": ["small"], "token": SECRET}
    plan = ledger.ask("plan_install", AskInstall(asset="acme/things", target={"stack": "shelf"}, inputs=given))
    assert plan.state == "ready", plan.problem
    preview = plan.document["preview"]
    assert preview["summary"] == {"create": 2, "update": 0, "delete": 0, "same": 0}
    assert {each["name"]: each["parent"] for each in preview["resources"]} == {"shelf": "", "shelf-small": "shelf"}
    assert SECRET not in plan.model_dump_json()
    assert sizes(things) == []
    install = ledger.apply(plan)
    assert (install.state, install.place) == ("applied", "stack shelf"), install.failure
    assert install.outputs["outputs"] == {"addresses": "thing-small", "token": "[secret]"}
    assert sizes(things) == ["small"]
    (stack,) = stacks(database, world)
    assert (stack.owner, stack.state) == (f"installs/{install.id}", "applied")
    assert SECRET not in stack.model_dump_json()

    publish_things(world, "1.1.0")
    wider = AskUpgrade(inputs={"sizes": ["small", "large"]})
    upgrade = ledger.ask("plan_upgrade", install.id, wider)
    done = {each["name"]: each["operation"] for each in upgrade.document["preview"]["resources"]}
    assert done == {"shelf": "same", "shelf-small": "same", "shelf-large": "create"}
    wide = ledger.apply(upgrade)
    assert wide.outputs["outputs"]["addresses"] == "thing-small, thing-large"
    assert sizes(things) == ["large", "small"]
    back = ledger.apply(ledger.ask("plan_rollback", install.id, AskRollback()))
    assert (back.applied_revision, sizes(things)) == (3, ["small"])
    assert [each.outcomes[-1].outputs["outputs"]["addresses"] for each in ledger.revisions(install.id)] == [
        "thing-small",
        "thing-small, thing-large",
        "thing-small",
    ]
    assert hold_to_the_ledger(ledger, install.id) == 3
    removal = ledger.ask("plan_removal", install.id, AskUninstall())
    assert removal.document["preview"]["summary"]["delete"] == 2
    assert ledger.apply(removal).state == "removed"
    assert sizes(things) == []
    assert stacks(database, world) == []


def test_a_provider_meets_nothing_of_the_machine(world: World, things: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IDENTITIES:
        monkeypatch.setenv(name, "of-the-worker")
    publish_things(world, "1.0.0")
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    install = ledger.install("acme/things", {"stack": "shelf"}, inputs={"sizes": ["curious"], "token": SECRET})
    assert install.state == "applied", install.failure
    met = json.loads((things.parent / "met.json").read_text())
    assert "of-the-worker" not in met["variables"].values()
    assert met["variables"].items() >= machine_identity.VARIABLES.items()
    if machine_identity.is_enforced():
        assert set(met["services"].values()) == {"PermissionError"}

    # What the engine says when it cannot remove them repeats no secret either.
    (things.parent / "stubborn").write_text(f"the token {SECRET} is not good any more")
    stuck = ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall()))
    assert stuck.failure is not None
    assert "the token [secret] is not good" in stuck.failure.message
    assert SECRET not in stuck.model_dump_json()
    (things.parent / "stubborn").unlink()
    assert ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall())).state == "removed"
    assert sizes(things) == []


def test_killed_after_the_engine_had_made_it(world: World, things: Path, database: Database) -> None:
    publish_things(world, "1.0.0")
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    plan = ledger.ask(
        "plan_install", AskInstall(asset="acme/things", target={"stack": "shelf"}, inputs={"sizes": ["small"]})
    )
    with database.tenant_session(ledger.who.tenant_id) as session:
        asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
        install = InstallService(session, ledger.settings).apply(ledger.who, asked)
    with forked("workers.installation") as parent:
        killed = Lives(parent, world.settings, database)
        assert killed.live(after="workers.installers.stack:operate")
        assert (sizes(things), ledger.get(install.id).state) == (["small"], "applying")
        with database.tenant_session(ledger.who.tenant_id) as session:
            session.connection().execute(text("UPDATE stacks SET lease_until = now()"))
        assert not killed.live()
    done = ledger.get(install.id)
    assert (done.state, done.applied_revision) == ("applied", 1), done.failure
    assert sizes(things) == ["small"]
    assert ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall())).state == "removed"
    assert sizes(things) == []


def test_where_policies_read_the_plan_a_component_makes_what_it_showed(
    world: World, things: Path, publish_policy: Callable[..., str]
) -> None:
    publish_policy(world.principal, "plans", NO_EVIL)
    with world.database.tenant_session(world.principal.tenant_id) as session:
        PolicyDesk(session, world.settings).policies.bind(world.principal, CreateBinding(bundle="acme/plans"))
    publish_things(world, "1.0.0", 'pulumi.runtime.is_dry_run() or Thing("more", "evil", here)')
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    install = ledger.install("acme/things", {"stack": "shelf"}, inputs={"sizes": ["small"]})
    assert install.state == "failed"
    assert install.failure is not None
    assert "more is not as its preview showed" in install.failure.message
    assert "evil" not in sizes(things)
    assert ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall())).state == "removed"
    assert sizes(things) == []


@pytest.mark.usefixtures("things")
def test_what_a_component_may_not_do_is_said_in_the_plan(world: World) -> None:
    publish_things(world, "1.0.0", 'pulumi.CustomResource("command:local:Command", "p", {"create": "id"}, here)')
    ledger = Ledger(world.database, world.settings, world.principal, world.work)
    asked = AskInstall(asset="acme/things", target={"stack": "shelf"}, inputs={"sizes": []})
    plan = ledger.ask("plan_install", asked)
    assert plan.state == "failed"
    assert plan.problem is not None
    assert "components may use: demo" in plan.problem.message
    several = ledger.ask("plan_install", asked.model_copy(update={"target": {"stack": "shelf", "component": "Other"}}))
    assert several.problem is not None
    assert "Name one of the package's components: Shelf" in several.problem.message
    pinned = ledger.install("acme/things", {})
    assert (pinned.becomes, pinned.state) == ("pin", "applied")  # without inputs, though the schema requires some
