"""Components, their processes and their worker killed by SIGKILL in the middle of a run: all of it is found or goes."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from sqlalchemy import text

from catalog.environments.models import Phase
from catalog.settings import Settings
from tests.workers.engine.demo_provider import install_plugin
from tests.workers.engine.test_interruption import alive, descendants, wait_until
from tests.workers.ephemeral_env.things import publish_shop, publish_things, sizes
from tests.workers.lives import Lives, forked
from workers.process_host import ProcessStatus
from workers.process_host.client import ProcessHostClient

pytestmark = pytest.mark.engine

World = Any  # the fixture's class lives in conftest.py, which test files do not import
SECRET = "hunter2-and-more"
SIDE = (
    'name == "store" and pulumi.CustomResource("slipway:local:Process", "store_side", {"command": COMMAND, '
    '"env": {"GREETING": "aside"}, "health": {"path": "/"}, "port": None}, here)'
).replace("COMMAND", '"exec python3 app.py"')
PATIENCE = 120
"""Seconds that a machine may take to come to the middle of a component."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let components use the pretended cloud."""
    return settings.model_copy(update={"component_providers": ("demo",)})


@pytest.fixture
def things(settings: Settings) -> Iterator[Path]:
    """The folder in which the things of the pretended cloud are; what is held is not made for now."""
    folder = install_plugin(settings.data_dir)
    (folder.parent / "hold").touch()
    yield folder
    go_on(folder)


@pytest.fixture
def shop(world: World, things: Path) -> World:
    """Publish ``acme/shop``, whose component ``store`` runs a process beside the things that it makes."""
    assert sizes(things) == []
    publish_things(world, "1.0.0", SIDE)
    return publish_shop(world)


def go_on(things: Path) -> None:
    """Let what is held be made."""
    for name in ("hold", "holding"):
        (things.parent / name).unlink(missing_ok=True)


def processes(shop: World, environment_id: UUID) -> dict[str, ProcessStatus]:
    """Return the processes of an environment by name."""
    found = ProcessHostClient(shop.settings.process_host_socket).list(str(environment_id))
    return {each.name: each for each in found}


def in_the_middle(shop: World, things: Path, environment_id: UUID) -> None:
    """Wait until the component has made a process and waits for a thing."""
    holding = things.parent / "holding"
    wait_until(lambda: holding.exists() and "store_side" in processes(shop, environment_id), PATIENCE)


def runs_of_components(pids: set[int]) -> set[int]:
    """Return those of some processes that run the code of a component."""
    found = set()
    for pid in pids:
        with suppress(psutil.Error):
            if "run_component.py" in " ".join(psutil.Process(pid).cmdline()):
                found.add(pid)
    return found


def beside(action: Callable[[], None], work: Callable[[], Any]) -> Any:
    """Do something while the worker works; return what that returned."""
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(action)
        result = work()
        acting.result()
    return result


def kill_the_worker(lives: Lives, shop: World, things: Path, environment_id: UUID) -> None:
    """Kill a worker in the middle of a component; nothing that it had started lives on, and nothing more is made."""
    started: set[int] = set()

    def kill() -> None:
        try:
            in_the_middle(shop, things, environment_id)
            started.update(descendants(lives.pid))
        finally:
            os.kill(lives.pid, signal.SIGKILL)

    go_on(things)
    (things.parent / "hold").touch()
    before = sizes(things)
    assert beside(kill, lives.live)
    wait_until(lambda: not alive(started), PATIENCE)
    go_on(things)
    assert sizes(things) == before
    with shop.database.tenant_session(shop.principal.tenant_id) as session:
        session.connection().execute(text("UPDATE stacks SET lease_until = clock_timestamp()"))


def test_a_worker_that_is_killed_in_the_middle_of_a_component(shop: World, things: Path) -> None:
    environment_id = shop.request(inputs={"token": SECRET, "size": "held"})
    with forked("workers.ephemeral_env", "workers.environment_sweep") as parent:
        lives = Lives(parent, shop.settings, shop.database)
        kill_the_worker(lives, shop, things, environment_id)
        assert list(processes(shop, environment_id)) == ["store_side"]
        assert not lives.live(periodic=True)
        ready = shop.look(environment_id)
        assert (ready.phase, ready.failure) == (Phase.READY, None)
        assert shop.visit(ready) == (200, "one <thing-held>")
        assert sorted(each.partition("-")[0] for each in sizes(things)) == ["at", "held"]
        there = processes(shop, environment_id)
        assert sorted(there) == ["store_side", "web"]

        # A process of the component that dies is started again, as those of the blueprint are.
        side = there["store_side"]
        assert side.alive
        os.kill(side.pid, signal.SIGKILL)
        wait_until(lambda: processes(shop, environment_id)["store_side"].restarts == 1, PATIENCE)
        address = f"http://127.0.0.1:{side.port}/"
        wait_until(lambda: answers(address), PATIENCE)

        shop.request(inputs={"token": SECRET, "size": "held-more"})
        kill_the_worker(lives, shop, things, environment_id)
        shop.destroy(environment_id)
        assert not lives.live(periodic=True)
    gone = shop.look(environment_id)
    assert (gone.phase, sizes(things), shop.left_over(gone)) == (Phase.DESTROYED, [], [])


def answers(address: str) -> bool:
    """Tell whether an application answers."""
    try:
        return httpx.get(address, timeout=5).text == "one aside"
    except httpx.TransportError:
        return False


def test_a_component_that_is_killed_in_the_middle(shop: World, things: Path) -> None:
    environment_id = shop.request(inputs={"token": SECRET, "size": "held"})

    def kill() -> None:
        try:
            in_the_middle(shop, things, environment_id)
            running = runs_of_components(descendants(os.getpid()))
            assert running
            for pid in running:
                # The death of one may take others with it.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not alive(running), PATIENCE)
        finally:
            go_on(things)

    beside(kill, shop.work)
    failed = shop.look(environment_id)
    assert failed.phase is Phase.FAILED
    assert failed.failure is not None
    assert "store: the component did not come to its end" in failed.failure.message
    shop.work(periodic=True)
    assert shop.look(environment_id).phase is Phase.FAILED, "the sweep takes nothing away that may be tried again"
    shop.act("rebuild", environment_id)
    shop.work()
    ready = shop.look(environment_id)
    assert (ready.phase, ready.failure) == (Phase.READY, None)
    assert sorted(each.partition("-")[0] for each in sizes(things)) == ["at", "held"]
    shop.destroy(environment_id)
    shop.work(periodic=True)
    gone = shop.look(environment_id)
    assert (gone.phase, sizes(things), shop.left_over(gone)) == (Phase.DESTROYED, [], [])
