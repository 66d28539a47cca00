"""How long a search with all its counts takes as the catalog grows, under row-level security, on one connection.

``python tests/bench/bench_search.py [VERSIONS ...]`` publishes rows for 1,000, 20,000 and 100,000 versions (five an
asset, 200 publishers, a tenth of them private to other tenants), asks as one tenant what people ask, and prints the
median and the 95th percentile of whole searches, beside counting one word under the policies alone. The time of the
processor (the server's and this process's, on Linux) is what the clock would say where nothing else is to be done.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from uuid import UUID, uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog import migrate
from catalog.assets.models import Namespace, SearchQuery
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenants import bootstrap
from workers.embedded.postgres import EmbeddedPostgres

SIZES = (1_000, 20_000, 100_000)
VERSIONS_AN_ASSET = 5
PUBLISHERS = 200
ROUNDS = 40
AIM_MILLISECONDS = 50
FIRST = ("web", "data", "network", "queue", "cache", "secure", "batch", "edge", "mobile", "report", "tenant", "cloud")
SECOND = ("service", "gateway", "worker", "store", "pipeline", "policy", "cluster", "monitor", "portal", "proxy")
QUERIES: tuple[SearchQuery, ...] = (
    SearchQuery(),
    SearchQuery(q="web"),
    SearchQuery(q="gate"),
    SearchQuery(q="secure store"),
    SearchQuery(q="publisher17"),
    SearchQuery(kind="policy-bundle"),
    SearchQuery(q="edge", kind="component-package", cloud="aws"),
    SearchQuery(archetype="ui", license="MIT"),
    SearchQuery(namespace="publisher42"),
    SearchQuery(q="web-service-77"),
    SearchQuery(q="nothingatall"),
    SearchQuery(q="srevice"),
)
INSERT_ASSETS = """
    INSERT INTO assets (id, tenant_id, namespace, name, kind, visibility, display_name, summary, license, keywords,
        archetypes, clouds, trust, latest_version, latest_state, created_at, updated_at)
    SELECT gen_random_uuid(), t.id, t.name, :first || '-' || :second || '-' || :number, :kind, :visibility,
        initcap(:first) || ' ' || :second, 'A ' || :second || ' for ' || :first || ' teams', :license,
        jsonb_build_array(CAST(:first AS text), CAST(:second AS text)), CAST(:archetypes AS jsonb),
        CAST(:clouds AS jsonb), 'unverified', '1.4.0', :state, now(), now()
    FROM tenants AS t WHERE t.name = :namespace
"""
INSERT_VERSIONS = """
    INSERT INTO asset_versions (id, tenant_id, asset_id, namespace, name, kind, version, semver, major, minor, patch,
        stage, stage_number, state, state_changed_at, manifest, input_schema, input_hints, output_schema, readme,
        changelog, files, warnings, blob_digest, tree_digest, manifest_digest, packed_size, published_by, author_actor)
    SELECT gen_random_uuid(), a.tenant_id, a.id, a.namespace, a.name, a.kind, '1.' || n || '.0', '1.' || n || '.0', 1,
        n, 0, 3, 0, 'published', now(), '{}', '{}', '{}', '{}', '', '', '[]', '[]', '', '', '', 1, '', ''
    FROM assets AS a, generate_series(0, :last) AS n
    WHERE NOT EXISTS (SELECT 1 FROM asset_versions AS v WHERE v.asset_id = a.id)
"""
UNDER_POLICIES = """
    SELECT kind, count(*) FROM assets
    WHERE latest_version IS NOT NULL AND to_tsvector('simple', name || ' ' || summary) @@ to_tsquery('simple', :word)
    GROUP BY kind
"""


def row(chance: random.Random, publisher: int, number: int) -> dict[str, object]:
    """Return one asset as a publisher would have it: its licence and habits are the publisher's own."""
    habits = random.Random(publisher)  # noqa: S311  # makes test data
    kind = chance.choice(["pipeline-template", "component-package", "deployment-blueprint", "policy-bundle"])
    archetypes = [["ui"], ["microservice", "worker"], ["library"], ["gateway"], []]
    clouds = [["aws"], ["azure"], ["gcp"], ["aws", "azure", "gcp"]]
    return {
        "namespace": f"publisher{publisher}",
        "first": chance.choice(FIRST),
        "second": chance.choice(SECOND),
        "number": number,
        "kind": kind,
        "visibility": "private" if chance.random() < 0.1 else "public",
        "license": habits.choice(["MIT", "Apache-2.0", "BSD-3-Clause"]),
        "archetypes": str(chance.choice(archetypes)).replace("'", '"'),
        "clouds": str(habits.choice(clouds) if kind == "component-package" else []).replace("'", '"'),
        "state": "deprecated" if chance.random() < 0.05 else "published",
    }


def fill(owner_url: str, start: int, stop: int) -> None:
    """Publish the assets with the numbers ``start`` to ``stop``, each with its versions."""
    chance = random.Random(start)  # noqa: S311  # makes test data
    engine = create_engine(owner_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE asset_versions NO FORCE ROW LEVEL SECURITY"))
        rows = [row(chance, number % PUBLISHERS, number) for number in range(start, stop)]
        connection.execute(text(INSERT_ASSETS), rows)
        connection.execute(text(INSERT_VERSIONS), {"last": VERSIONS_AN_ASSET - 1})
        connection.execute(text("ALTER TABLE asset_versions FORCE ROW LEVEL SECURITY"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def timed(action: Callable[[], object]) -> float:
    """Return how many milliseconds ``action`` takes."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def processor(server: int) -> float:
    """Return how many milliseconds of a processor a server process and this thread have taken."""
    nanoseconds = Path(f"/proc/{server}/schedstat").read_text("ascii").split()[0]
    return int(nanoseconds) / 1e6 + time.thread_time() * 1000


def measure(database: Database, tenant_id: UUID) -> tuple[list[float], list[float]]:
    """Return the times of whole searches by the clock and by the processor, each in a transaction of its own, in ms."""
    with database.tenant_session(tenant_id) as session:
        server = int(session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one())

    def search(query: SearchQuery) -> None:
        with database.tenant_session(tenant_id) as session:
            AssetService(session).search(tenant_id, query)

    for query in QUERIES:
        search(query)
    times, worked = [], []
    for query in QUERIES:
        own, busy = [], []
        for _ in range(ROUNDS):
            before = processor(server)
            own.append(timed(partial(search, query)))
            busy.append(processor(server) - before)
        shown = query.model_dump(exclude_none=True, exclude={"limit"})
        print(f"    {median(own):7.1f} ms, of a processor {median(busy):7.1f} ms  {shown}")
        times += own
        worked += busy
    return times, worked


def policies_alone(database: Database, tenant_id: UUID) -> float:
    """Return the median time of counting one word's matches under the policies, without the function."""

    def count() -> None:
        with database.tenant_session(tenant_id) as session:
            session.connection().execute(text(UNDER_POLICIES), {"word": "web:*"}).all()

    return median(timed(count) for _ in range(5))


def main() -> None:
    """Measure each size in one database that grows."""
    sizes = [int(each) for each in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", durable=False)
        server.start()
        server.wait_ready()
        try:
            urls = server.urls("slipway")
            migrate.upgrade(urls.owner)
            settings = Settings(
                data_dir=Path(folder), database_url=urls.app, database_owner_url=urls.owner,
                database_system_url=urls.system,
            )  # fmt: skip
            database = Database(settings)
            asker = bootstrap.ensure_tenant(database, f"asker-{uuid4().hex[:6]}")
            for number in range(PUBLISHERS):
                tenant = bootstrap.ensure_tenant(database, f"publisher{number}")
                with database.tenant_session(tenant.id) as session:
                    session.add(Namespace(name=tenant.name, skeleton=tenant.name, tenant_id=tenant.id))
            done, before = 0, None
            for size in sizes:
                fill(urls.owner, done, size // VERSIONS_AN_ASSET)
                done = size // VERSIONS_AN_ASSET
                print(f"{size:,} versions of {done:,} assets")
                times, worked = measure(database, asker.id)
                p95 = quantiles(times, n=20)[-1]
                plain = policies_alone(database, asker.id)
                growth = f", {p95 / before[1]:.1f} times for {size / before[0]:.0f} times the data" if before else ""
                print(f"  p50 {median(times):.1f} ms, p95 {p95:.1f} ms (aim {AIM_MILLISECONDS}){growth}")
                print(f"  of a processor: p50 {median(worked):.1f} ms, p95 {quantiles(worked, n=20)[-1]:.1f} ms")
                print(f"  one word counted under the policies alone: {plain:.1f} ms, {plain / median(times):.1f} times")
                before = (size, p95)
            database.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
