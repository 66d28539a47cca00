"""Where a package runs, over 1,000 bills of materials of 500 packages: the index beside what people do without one.

The peers in the same run: every document read again and searched (in Python's json), the same documents searched as
text with grep for candidates and read only where it hits, and one SQLite table with an index, in process, without
tenants, signatures or environments.
"""

import gc
import hashlib
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import create_engine, insert, text
from sqlalchemy.pool import NullPool
from sqlmodel import Session

from catalog import migrate
from catalog.attestations.models import Attestation, AttestationSubject, Reliance, Verdict
from catalog.attestations.sboms.models import Sbom, SbomFormat, SbomPackage
from catalog.attestations.sboms.purls import Range
from catalog.attestations.service import SupplyChainAttestationService
from catalog.db import Database
from catalog.gates import open_database
from catalog.settings import Settings
from catalog.tenants import bootstrap
from workers.embedded.postgres import EmbeddedPostgres

DOCUMENTS, PACKAGES, NAMES, ASKED = 1000, 500, 8000, 200


def main() -> int:
    """Print the latencies and ratios."""
    chance = random.Random(20_261_125)  # noqa: S311  # makes test data
    with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder, installation(Path(folder)) as (database, settings):
        tenant_id = bootstrap.ensure_tenant(database, "acme").id
        documents = list(contents(chance))
        began = time.perf_counter()
        with database.tenant_session(tenant_id) as session:
            for number, packages in enumerate(documents):
                fill(session, tenant_id, number, packages)
        seconds = time.perf_counter() - began
        print(f"{DOCUMENTS} documents of {PACKAGES} packages: {DOCUMENTS * PACKAGES:,} rows in {seconds:.1f} s")
        analyse(settings)
        paths = write(Path(folder) / "documents", documents)
        asked = questions(chance, documents)

        def ours(purl: str, versions: str) -> int:
            with database.tenant_session(tenant_id) as session:
                found = SupplyChainAttestationService(session, settings).where(tenant_id, purl, versions, 1000)
                return len(found.releases)

        def scan(purl: str, _: str) -> int:
            return sum(holds(json.loads(path.read_bytes()), purl) for path in paths)

        def grep(purl: str, _: str) -> int:
            done = subprocess.run(
                ["grep", "-rlF", f'"{purl}', str(paths[0].parent)], capture_output=True, text=True, check=False
            )
            return sum(holds(json.loads(Path(each).read_bytes()), purl) for each in done.stdout.split())

        table = sqlite(Path(folder) / "packages.db", documents)

        def peer(purl: str, _: str) -> int:
            package, _, version = purl.partition("@")
            query = "SELECT count(DISTINCT document) FROM packages WHERE package = :package"
            query += " AND version = :version" if version else ""
            return int(table.execute(query, {"package": package, "version": version}).fetchone()[0])

        exact = [each for each in asked if "@" in each[0]]

        def ranged(purl: str, versions: str) -> int:
            query = "SELECT document, version FROM packages WHERE package = :package"
            found = table.execute(query, {"package": purl}).fetchall()
            bounds = Range("npm", versions)
            return len({document for document, version in found if bounds.holds(version)})

        # Otherwise the collector would go through the documents above, which nobody who asks has in memory.
        gc.collect()
        gc.freeze()
        agree(ours, peer, exact[:50])
        report(
            "a package in one version", exact, ours, {"SQLite": peer}, {"grep, then json": grep, "json of all": scan}
        )
        anyway = [(each[0].partition("@")[0], "") for each in exact]
        agree(ours, peer, anyway[:50])
        report("a package in any version", anyway, ours, {"SQLite": peer}, {})
        ranges = [(each[0].partition("@")[0], ">=1.2,<3") for each in exact]
        agree(ours, ranged, ranges[:50])
        report("a package in a range of versions", ranges, ours, {"SQLite, then Python": ranged}, {})
    return 0


def contents(chance: random.Random) -> Iterator[list[tuple[str, str]]]:
    """Yield the packages of each document: few names are everywhere, most are rare."""
    weights = [1 / (rank + 1) ** 0.8 for rank in range(NAMES)]
    names = [f"pkg:npm/package-{rank}" for rank in range(NAMES)]
    for _ in range(DOCUMENTS):
        chosen: dict[str, str] = {}
        while len(chosen) < PACKAGES:
            for name in chance.choices(names, weights, k=PACKAGES):
                chosen.setdefault(name, f"{chance.randrange(5)}.{chance.randrange(10)}.{chance.randrange(4)}")
        yield list(chosen.items())[:PACKAGES]


def fill(session: Session, tenant_id: UUID, number: int, packages: list[tuple[str, str]]) -> None:
    """Write one signed document, its packages, and the release that it is about."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    attestation = Attestation(
        tenant_id=tenant_id,
        envelope_digest=digest,
        size=1,
        verdict=Verdict.VERIFIED,
        evidence="sbom",
        predicate_type="https://cyclonedx.org/bom",
        received_by="bench",
    )
    sbom = Sbom(
        tenant_id=tenant_id,
        attestation_id=attestation.id,
        document_digest=digest,
        size=1,
        format=SbomFormat.CYCLONEDX,
        components=len(packages),
        packages=len(packages),
    )
    session.add(attestation)
    session.flush()
    session.add_all(
        [
            sbom,
            AttestationSubject(
                tenant_id=tenant_id, attestation_id=attestation.id, algorithm="sha256", digest=digest, name="service"
            ),
            Reliance(
                tenant_id=tenant_id,
                kind="release",
                thing_id=attestation.id,
                label=f"service 1.0.{number}",
                digest=digest,
            ),
        ]
    )
    session.flush()
    rows = [
        {
            "tenant_id": tenant_id,
            "sbom_id": sbom.id,
            "package": package,
            "version": version,
            "purl": f"{package}@{version}",
            "licenses": ["MIT"],
        }
        for package, version in packages
    ]
    session.execute(insert(SbomPackage), rows)


def questions(chance: random.Random, documents: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return what is asked: packages that are there, frequent and rare ones, and some that are not."""
    found = []
    for number in range(ASKED):
        package, version = chance.choice(chance.choice(documents))
        found.append((f"{package}@{version}" if number % 10 else f"pkg:npm/absent-{number}@1.0.0", ""))
    return found


def write(folder: Path, documents: list[list[tuple[str, str]]]) -> list[Path]:
    """Write the documents as CycloneDX, which is what somebody without an index has."""
    folder.mkdir()
    paths = []
    for number, packages in enumerate(documents):
        components = [
            {"type": "library", "name": package.rpartition("/")[2], "version": version, "purl": f"{package}@{version}"}
            for package, version in packages
        ]
        path = folder / f"{number}.cdx.json"
        path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
        paths.append(path)
    return paths


def sqlite(path: Path, documents: list[list[tuple[str, str]]]) -> sqlite3.Connection:
    """Return a database with the packages in one table and an index over package and version."""
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE packages (document INTEGER, package TEXT, version TEXT)")
    rows = ((number, *each) for number, packages in enumerate(documents) for each in packages)
    made.executemany("INSERT INTO packages VALUES (?, ?, ?)", rows)
    made.execute("CREATE INDEX by_package ON packages (package, version)")
    made.execute("ANALYZE")
    made.commit()
    return made


def holds(document: dict[str, list[dict[str, str]]], purl: str) -> bool:
    """Tell whether a document lists a package in one version."""
    return any(each.get("purl") == purl for each in document["components"])


Ask = Callable[[str, str], int]


def agree(one: Ask, other: Ask, asked: list[tuple[str, str]]) -> None:
    """Stop where two ways to answer differ."""
    for question in asked:
        if one(*question) != other(*question):
            raise SystemExit(f"the answers to {question} differ: {one(*question)} and {other(*question)}")


def report(what: str, asked: list[tuple[str, str]], ours: Ask, peers: dict[str, Ask], slow: dict[str, Ask]) -> None:
    """Print our latencies and how many times longer each peer takes; slow peers get few questions."""
    p50, p99 = measured(ours, asked)
    print(f"{what}: p50 {p50 * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms over {len(asked)} questions")
    for name, peer in {**peers, **slow}.items():
        other, worst = measured(peer, asked[: 5 if name in slow else len(asked)])
        print(f"  {name}: p50 {other * 1000:.2f} ms, p99 {worst * 1000:.2f} ms = {other / p50:.2f} times ours")


def measured(ask: Ask, asked: list[tuple[str, str]]) -> tuple[float, float]:
    """Return median and 99th percentile of the time to answer, in seconds."""
    ask(*asked[0])
    times = []
    for question in asked:
        began = time.perf_counter()
        ask(*question)
        times.append(time.perf_counter() - began)
    times.sort()
    return statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.99))]


def analyse(settings: Settings) -> None:
    """Let PostgreSQL look at what was filled in, as it does by itself in time."""
    engine = create_engine(settings.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()


@contextmanager
def installation(folder: Path) -> Iterator[tuple[Database, Settings]]:
    """Start a PostgreSQL of the bench's own, with every migration."""
    server = EmbeddedPostgres(folder / "postgres", folder / "run", durable=False)
    server.start()
    try:
        server.wait_ready()
        urls = server.urls()
        migrate.upgrade(urls.owner)
        settings = Settings(
            data_dir=folder / "data",
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
        )
        database = open_database(settings)
        yield database, settings
        database.close()
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
