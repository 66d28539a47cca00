"""What the tests of the runtime share: a queue of their own, and relay and worker run together."""

import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
import redis

from catalog.settings import Settings
from workers.main import App
from workers.runtime.keeper import KeeperOptions
from workers.runtime.registry import registry
from workers.runtime.relay import Relay, RelayOptions
from workers.runtime.work import start, stop
from workers.runtime.worker import Worker

QUICK = RelayOptions(sweep=timedelta(milliseconds=100), sent_lease=timedelta(seconds=1))
KEEPER = KeeperOptions(
    tick=timedelta(milliseconds=50), renew_every=timedelta(milliseconds=500), grace=timedelta(milliseconds=300)
)


class Running(Protocol):
    """Runs relays and one worker with real threads on the real queue until the block ends."""

    def __call__(
        self, *workers: Worker, relays: int = 1, options: RelayOptions = QUICK
    ) -> AbstractContextManager[App]: ...


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Iterator[Settings]:
    """Return settings with a queue that is empty at the beginning."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield settings.model_copy(update={"redis_url": redis_url, "worker_threads": 6})
        client.flushall()


@pytest.fixture
def app(settings: Settings) -> Iterator[Callable[..., App]]:
    """Make a worker process's inside from workers, closed at the end."""
    made: list[App] = []

    def make(*workers: Worker) -> App:
        made.append(App(settings, registry(workers), KEEPER))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def running(settings: Settings, app: Callable[..., App]) -> Running:
    """Run relays and one worker on the real queue."""

    @contextmanager
    def run(*workers: Worker, relays: int = 1, options: RelayOptions = QUICK) -> Iterator[App]:
        made = app(*workers)
        end = threading.Event()
        worker = start(made)
        threads = [
            threading.Thread(
                target=Relay(settings, made.database, made.registry, made.broker, options).run, args=(end,)
            )
            for _ in range(relays)
        ]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            end.set()
            for thread in threads:
                thread.join()
            stop(worker)

    return run


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory into which a distribution of somebody else's is installed."""
    source = Path(__file__).parents[2] / "strangers" / "acme_notes"
    folder = tmp_path_factory.mktemp("stranger")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "wheels")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = (folder / "wheels").glob("*.whl")
    # A wheel of pure Python is installed by unpacking it where Python looks for modules.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def process(settings: Settings, stranger: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start one of Slipway's own processes, with the stranger installed; killed at the end."""
    started: list[subprocess.Popen[bytes]] = []
    root = Path(__file__).parents[3]

    def launch(arguments: Sequence[str], **changes: str) -> subprocess.Popen[bytes]:
        environment = {
            **settings.as_environment(),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{stranger}:{root}",
            **changes,
        }
        with (tmp_path / "process.log").open("ab") as log:
            started.append(
                subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
        return started[-1]

    yield launch
    for each in started:
        each.kill()
        each.wait()
