"""What many versions of one asset cost, in one run: ``python tests/bench/bench_versions.py [COUNT]``.

Publishing, resolving and listing at 10 versions and at COUNT (10,000), and their ratios; then what the sandbox adds to
a command, against the same command without it. PostgreSQL is durable.
"""

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from catalog import migrate
from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersion
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.providers.blobs.local import LocalBlobs
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.uploads.service import UploadService
from workers.embedded.postgres import EmbeddedPostgres
from workers.sandbox import Task
from workers.sandbox.run import Sandbox

FEW, ROUNDS = 10, 7
_GIVEN = {
    "id": "gen_random_uuid()",
    "version": "'1.' || n || '.0'",
    "semver": "'1.' || n || '.0'",
    "major": "1",
    "minor": "n",
}


class Bench:
    """A database, a tenant, and one asset whose versions grow."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(settings)
        tenant = bootstrap.ensure_tenant(self.database, "bench")
        self.principal = Principal(tenant.id, "bench", "bench", "bench", ALL_SCOPES)
        self.blobs = LocalBlobs(settings.data_dir / "blobs")
        self.next = 1

    def publish(self) -> None:
        """Publish the next version."""
        files = dict(kinds()["deployment-blueprint"].skeleton("bench", "shop"))
        files["asset.yaml"] = files["asset.yaml"].replace(b"version: 0.1.0", f"version: 2.{self.next}.0".encode())
        self.next += 1
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        with self.database.tenant_session(self.principal.tenant_id) as session:
            UploadService(session, self.blobs).receive(self.principal, io.BytesIO(archive))

    def fill(self, first: int, count: int) -> None:
        """Copy the first version's row ``count`` times, under numbers from ``first`` on."""
        columns = [each.name for each in AssetVersion.__table__.columns if each.computed is None]  # type: ignore[attr-defined]  # SQLModel's own
        chosen = ", ".join(_GIVEN.get(name, f"v.{name}") for name in columns)
        statement = f"INSERT INTO asset_versions ({', '.join(columns)}) SELECT {chosen} FROM asset_versions AS v, "  # noqa: S608  # names of columns
        statement += "generate_series(:first, :last) AS n WHERE v.version = '2.1.0'"
        with self.database.tenant_session(self.principal.tenant_id) as session:
            session.connection().execute(text(statement), {"first": first, "last": first + count - 1})
        with self.database.tenant_session(self.principal.tenant_id) as session:
            session.connection().execute(text("ANALYZE asset_versions"))

    def resolve(self) -> None:
        """Choose a version by a range."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            AssetService(session).resolve(self.principal.tenant_id, parse_reference("bench/shop>=1.2,<1.9"))

    def listing(self) -> None:
        """List a page of versions, newest first, and count all of them, as the asset's page does."""
        with self.database.tenant_session(self.principal.tenant_id) as session:
            service = AssetService(session)
            service.versions(self.principal.tenant_id, "bench", "shop", limit=50)
            service.count_versions(self.principal.tenant_id, "bench", "shop")


def seconds(action: Callable[[], object]) -> float:
    """Return the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Print the figures."""
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="slw-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run")
        server.start()
        server.wait_ready()
        urls = server.urls()
        migrate.upgrade(urls.owner)
        settings = Settings(
            data_dir=Path(folder) / "data",
            database_url=urls.app,
            database_owner_url=urls.owner,
            database_system_url=urls.system,
        )
        bench = Bench(settings)
        bench.publish()
        bench.fill(1, FEW)
        actions = {"publish": bench.publish, "resolve": bench.resolve, "list": bench.listing}
        before = {name: seconds(action) for name, action in actions.items()}
        bench.fill(FEW + 1, many)
        for name, action in actions.items():
            after = seconds(action)
            ratio = after / before[name]
            print(f"{name}: {before[name] * 1e3:.1f} ms at {FEW}, {after * 1e3:.1f} ms at {many}: {ratio:.2f} times")
        server.stop()
    command = [sys.executable, "-I", "-c", "pass"]
    bare = seconds(lambda: subprocess.run(command, check=True))
    sandbox = Sandbox()
    inside = seconds(lambda: sandbox.run(Task(["python", "-I", "-c", "pass"])))
    print(f"sandbox: {inside * 1e3:.0f} ms against {bare * 1e3:.0f} ms bare: {inside / bare:.1f} times")


if __name__ == "__main__":
    main()
