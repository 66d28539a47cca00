"""Blueprints that use components of packages, through the real worker and engine, from the request to the removal."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from catalog.assets.models import AssetVersion, ChangeVersionState
from catalog.assets.service import AssetService
from catalog.environments.models import Phase
from catalog.gates import PolicyDesk
from catalog.policies.shapes import CreateBinding
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from tests.workers.engine.demo_provider import install_plugin
from tests.workers.ephemeral_env.test_sleeping_programs import plan_of
from tests.workers.ephemeral_env.things import NO_EVIL, publish_shop, publish_things, sizes
from workers.environment_parts import packages_left

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import
SECRET = "hunter2-and-more"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let components use the pretended cloud."""
    return settings.model_copy(update={"component_providers": ("demo",)})


@pytest.fixture
def things(settings: Settings) -> Path:
    """The folder in which the things of the pretended cloud are."""
    return install_plugin(settings.data_dir)


@pytest.fixture
def shop(world: World, things: Path) -> World:
    """Publish ``acme/shop``: a process between two components, one that it waits for and one that waits for it."""
    assert sizes(things) == []
    publish_things(world, "1.0.0")
    return publish_shop(world)


def test_where_policies_read_the_plan_nothing_is_made_that_cannot_be_said_beforehand(
    shop: World, things: Path, publish_policy: Callable[..., str]
) -> None:
    publish_policy(shop.principal, "plans", NO_EVIL)
    with shop.database.tenant_session(shop.principal.tenant_id) as session:
        PolicyDesk(session, shop.settings).policies.bind(shop.principal, CreateBinding(bundle="acme/plans"))
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    failed = shop.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "plan_incomplete"
    assert "what watch would make is not known" in failed.failure.message
    assert (sizes(things), failed.resources) == ([], [])


def test_components_live_sleep_change_and_go_with_their_environment(shop: World, things: Path) -> None:
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert shop.visit(ready) == (200, "one <thing-small>")
    (watched,) = [each for each in sizes(things) if each.startswith("at-")]
    assert sizes(things) == [watched, "small"]
    assert (ready.outputs["watched"], ready.outputs["token"]) == (f"thing-{watched}", "[secret]")
    graph = {each.name: each for each in shop.graph(environment_id).resources}
    assert "store-small" in graph["web"].depends_on
    assert "web" in graph[f"watch-{watched}"].depends_on
    assert SECRET not in ready.model_dump_json() + shop.graph(environment_id).model_dump_json()

    shop.act("sleep", environment_id)
    shop.work()
    assert shop.look(environment_id).phase is Phase.SLEEPING
    (stored,) = things.iterdir()
    assert sizes(things) == ["small"]
    shop.act("wake", environment_id)
    shop.work()
    awake = shop.look(environment_id)
    assert (awake.phase, awake.failure) == (Phase.READY, None)
    assert stored.exists()
    assert len(sizes(things)) == 2

    shop.request(inputs={"token": SECRET, "size": "large"})
    shop.work()
    assert shop.visit(shop.look(environment_id)) == (200, "one <thing-large>")
    shop.act("rebuild", environment_id)
    shop.work()
    assert (shop.look(environment_id).phase, "large" in sizes(things)) == (Phase.READY, True)

    shop.destroy(environment_id)
    shop.work()
    gone = shop.look(environment_id)
    assert (gone.phase, sizes(things), shop.left_over(gone)) == (Phase.DESTROYED, [], [])


def version_of(shop: World) -> AssetVersion:
    with shop.database.tenant_session(shop.principal.tenant_id) as session:
        return AssetService(session).version(shop.principal.tenant_id, "acme", "things", "1.0.0")


def test_an_environment_whose_package_is_gone_sleeps_says_so_when_it_wakes_and_goes(shop: World, things: Path) -> None:
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    assert shop.look(environment_id).phase is Phase.READY
    open_blobs(shop.settings).delete(version_of(shop).blob_digest)
    shop.act("sleep", environment_id)
    shop.work()
    asleep = shop.look(environment_id)
    assert (asleep.phase, asleep.failure) == (Phase.SLEEPING, None)
    assert [each for each in asleep.resources if each.type == "slipway:local:Process"] == []
    shop.act("wake", environment_id)
    shop.work()
    failed = shop.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert "The archive of this version cannot be read" in failed.failure.message
    shop.destroy(environment_id)
    shop.work()
    gone = shop.look(environment_id)
    assert (gone.phase, sizes(things), shop.left_over(gone)) == (Phase.DESTROYED, [], [])


def test_of_packages_that_may_not_be_had_any_more_nothing_stays_and_nothing_fails(world: World) -> None:
    publish_things(world, "1.0.0")
    tenant_id = world.principal.tenant_id
    source = SimpleNamespace(settings=world.settings, session=lambda: world.database.tenant_session(tenant_id))

    def left(version: str = "1.0.0") -> list[str]:
        lock = [{"asset": "acme/things", "version": version}]
        with packages_left(replace(plan_of(["store"]), tenant_id=tenant_id, lock=lock), source, ["store"]) as found:
            return list(found)

    def step(verb: str) -> None:
        change = ChangeVersionState(reason="For a test")
        with world.database.tenant_session(tenant_id) as session:
            getattr(AssetService(session), verb)(world.principal, "acme", "things", "1.0.0", change)

    assert (left(), left("9.9.9")) == (["store"], [])
    for verb, stays in (("yank", ["store"]), ("quarantine", []), ("restore", ["store"]), ("revoke", ["store"])):
        step(verb)
        assert left() == stays, verb
    open_blobs(world.settings).delete(version_of(world).blob_digest)
    assert left() == []


def test_what_components_and_providers_tell_of_secrets_is_masked_wherever_it_goes(world: World, things: Path) -> None:
    publish_things(world, "1.0.0", "self.token = pulumi.Output.unsecret(self.token)")
    shop = publish_shop(world)
    environment_id = shop.request(inputs={"token": SECRET})
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert ready.outputs["token"] == "[secret]"
    stubborn = things.parent / "stubborn"
    stubborn.write_text(f"nobody removes what {SECRET} opens")
    shop.destroy(environment_id)
    shop.work()
    stays = shop.look(environment_id)
    stubborn.unlink()
    assert stays.failure is not None
    assert "nobody removes what [secret] opens" in stays.failure.message
    told = "".join(shop.streams(environment_id))
    assert "nobody removes what [secret] opens" in told
    assert SECRET not in told + stays.model_dump_json()
    # Nobody waits here for the next try, and the pretended cloud is that of other tests as well.
    for each in things.iterdir():
        each.unlink()
