"""The real services that tests run on: PostgreSQL from the wheel, migrated once and cloned for each test."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from catalog.db import Database
from catalog.gates import open_database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from tests.databases import Databases, migrated
from tests.policy_bundles import publish_bundle
from tests.ready_programs import SharedNurseries
from workers.embedded.postgres import DatabaseUrls, EmbeddedPostgres
from workers.embedded.redis import EmbeddedRedis

TEMPLATE = "slipway_template"

_ROOT = Path(__file__).parents[1]
# What starts processes again and again, waits for real clocks, or tries very many cases: `make quick` leaves it out.
SLOW = frozenset(
    _ROOT / "tests" / each
    for each in (
        "blueprints/test_components.py",
        "blueprints/test_pipelines.py",
        "catalog/assets/test_compatibility_property.py",
        "catalog/overlays/test_narrowing.py",
        "catalog/providers/scm/test_contract.py",
        "journeys",
        "portal/api/test_streams.py",
        "portal/cli/test_demo.py",
        "portal/cli/test_policies.py",
        "portal/doors/test_clients.py",
        "portal/doors/test_provenance.py",
        "portal/publishers/test_publish_from_a_job.py",
        "workers/agents/test_supply_chain_compliance.py",
        "workers/campaigns",
        "workers/embedded",
        "workers/engine/test_callers.py",
        "workers/environment_orders/test_orders.py",
        "workers/installation/test_azure_devops.py",
        "workers/installation/test_bad_input.py",
        "workers/installation/test_exposure.py",
        "workers/installation/test_hosted.py",
        "workers/installation/test_killed.py",
        "workers/installation/test_merged_by_hand.py",
        "workers/installation/test_remaking.py",
        "workers/installation/test_secrets.py",
        "workers/notifications/test_killed.py",
        "workers/process_host",
        "workers/publisher_proofs",
        "workers/runtime/test_killed_checks.py",
        "workers/runtime/test_processes.py",
        "workers/sandbox",
        "workers/sbom_generation",
        "workers/targets",
        "workers/test_removal.py",
        "workers/upload_checks",
    )
)
SLOW_TESTS = frozenset(
    {
        "tests/catalog/assets/test_compatibility.py::test_schemas_beyond_measure_ask_for_a_major_version",
        "tests/portal/api/test_openapi.py::test_it_is_openapi_3_1_and_valid",
    }
)
"""Those of other files that take as long as all the rest of their file."""


def pytest_configure() -> None:
    """Let the commands that tests start hear Ctrl-C, also where a shell runs the tests in its background."""
    missing = [str(each) for each in SLOW if not each.exists()]
    if missing:
        raise pytest.UsageError(f"These slow tests are not there: {', '.join(missing)}")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by its nature."""
    for item in items:
        if SLOW.intersection((item.path, *item.path.parents)) or item.nodeid in SLOW_TESTS:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL server for the whole run, without fsync."""
    with tempfile.TemporaryDirectory(prefix="slw-pg-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", durable=False)
        server.start()
        server.wait_ready()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """What lends databases that have every migration, made by running them."""
    return migrated(postgres, TEMPLATE)


@pytest.fixture
def database_name(databases: Databases) -> Iterator[str]:
    """A database of the test's own, with real commits, visible to other processes."""
    name = databases.lend()
    yield name
    databases.take_back(name)


@pytest.fixture
def database_urls(postgres: EmbeddedPostgres, database_name: str) -> DatabaseUrls:
    """The ways into the test's database."""
    return postgres.urls(database_name)


@pytest.fixture
def settings(
    database_urls: DatabaseUrls, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of a Slipway with a folder and a database of the test's own; both are lent again, emptied."""
    folder = tmp_path_factory.getbasetemp() / database_name
    yield Settings(
        data_dir=folder,
        database_url=database_urls.app,
        database_owner_url=database_urls.owner,
        database_system_url=database_urls.system,
        database_pool_size=8,
    )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The two ways into the test's database."""
    opened = open_database(settings)
    yield opened
    opened.close()


@pytest.fixture
def acme(database: Database) -> Principal:
    """A tenant called ``acme``, and someone who may do everything in it."""
    return _operator(database, "acme")


@pytest.fixture
def rival(database: Database) -> Principal:
    """Another tenant, which must never notice the first."""
    return _operator(database, "rival")


@pytest.fixture
def publish_policy(database: Database, settings: Settings) -> Callable[..., str]:
    """What publishes a policy bundle that the real OPA compiled: ``publish_policy(principal, name, rules)``.

    ``rules`` are Rego without the package, which is ``guard``; the entry point is ``guard/deny``. Returns its digest.
    """
    return partial(publish_bundle, database, settings)


@pytest.fixture(scope="session")
def session_nurseries() -> Iterator[SharedNurseries]:
    """What has imported the sandbox's programs, for the whole run."""
    shared = SharedNurseries()
    yield shared
    shared.end()


@pytest.fixture(autouse=True)
def shared_nurseries(session_nurseries: SharedNurseries) -> Iterator[None]:
    """Let every worker of every test find the sandbox's programs imported, as one that has worked for a while does."""
    # Not by the fixture ``monkeypatch``, which would then be undone after whatever a test patches on top of another.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workers.sandbox.run.Nurseries", lambda: session_nurseries)
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One Redis server for the whole run."""
    with tempfile.TemporaryDirectory(prefix="slw-redis-") as folder:
        server = EmbeddedRedis(Path(folder) / "redis", Path(folder) / "run")
        server.start()
        server.wait_ready()
        yield server.url()
        server.stop()


def _operator(database: Database, name: str) -> Principal:
    tenant = bootstrap.ensure_tenant(database, name)
    return Principal(tenant.id, tenant.name, actor=f"test:{name}", name=name, scopes=ALL_SCOPES)
