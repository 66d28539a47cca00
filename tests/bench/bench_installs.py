"""Plan and apply of many installs at once: throughput, memory, and what a flood of one tenant does to another.

    python -m tests.bench.bench_installs [FLOOD] [BESIDE]

Real worker and relay processes on durable servers; each install renders a pipeline template in the sandbox, merges it
into a repository of its own and opens a pull request there. One tenant asks for FLOOD installs (default 180), another
one for BESIDE (default 20) right after; before that it asks for as many alone, which is the peer of the ratios.
"""

import io
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psutil
from pydantic import SecretStr

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.check import check_archive
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.db import Database
from catalog.gates import open_database
from catalog.installs.models import InstallState
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, InstallFilter
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from tests.bench.bench_relay import installation

MANIFEST = """apiVersion: slipway/v1
kind: pipeline-template
metadata: {namespace: NAMESPACE, name: pipeline, version: 1.0.0, displayName: P, summary: Builds, license: Apache-2.0}
requires: {permissions: ["scm:pull-request"]}
spec:
  targets:
    - {provider: github-actions, from: content/github, to: .github/workflows}
"""
WORKFLOW = "name: build\non: [push]\njobs:\n  build:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: make\n"
PATIENCE_SECONDS = 900.0
DONE = frozenset({InstallState.WAITING, InstallState.FAILED})


class Side:
    """One tenant with a template of its own."""

    def __init__(self, database: Database, settings: Settings, name: str) -> None:
        self.database, self.settings, self.name = database, settings, name
        tenant = bootstrap.ensure_tenant(database, name)
        self.who = Principal(tenant.id, name, actor="system", name=name, scopes=ALL_SCOPES)
        files = {
            "asset.yaml": MANIFEST.replace("NAMESPACE", name),
            "README.md": "# P\n",
            "CHANGELOG.md": "# Changes\n\n## 1.0.0\n\n- First.\n",
            "LICENSE": "Apache-2.0\n",
            "content/github/build.yml": WORKFLOW,
        }
        archive = build_archive({path: PackageFile(text.encode()) for path, text in files.items()}).data
        package = check_archive(archive).package
        if package is None:
            raise SystemExit("the template cannot be published")
        with database.tenant_session(tenant.id) as session:
            service = AssetService(session)
            service.claim_namespace(self.who, name)
            service.publish(self.who, package)
        open_blobs(settings).write(io.BytesIO(archive))

    def ask(self, repositories: list[Path]) -> None:
        """Ask for an install in each repository, in one go each."""
        for each in repositories:
            asked = AskInstall(asset=f"{self.name}/pipeline", target={"repository": str(each)})
            with self.database.tenant_session(self.who.tenant_id) as session:
                InstallService(session, self.settings).plan_install(self.who, asked, auto=True)

    def done(self) -> dict[UUID, datetime]:
        """Return when each install came to its pull request; raise where one failed."""
        found: dict[UUID, datetime] = {}
        with self.database.tenant_session(self.who.tenant_id) as session:
            service = InstallService(session, self.settings)
            for each in service.page(self.who.tenant_id, InstallFilter(), None, 500).items:
                if each.state is InstallState.FAILED:
                    raise SystemExit(f"an install failed: {each.failure}")
                if each.state in DONE:
                    found[each.id] = each.changed_at
        return found


@contextmanager
def processes(settings: Settings) -> Iterator[list[psutil.Process]]:
    """Run a relay and a worker as the product does."""
    environment = {**settings.as_environment(), "PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])}
    modules = ("workers.runtime.relay", "workers.runtime.work")
    started = [subprocess.Popen([sys.executable, "-m", each], env=environment) for each in modules]
    try:
        yield [psutil.Process(each.pid) for each in started]
    finally:
        for each in started:
            each.terminate()
        for each in started:
            each.wait()


def memory(tops: list[psutil.Process]) -> float:
    """Return the memory of processes and all below them, in MB (PSS)."""
    total = 0
    for top in tops:
        for each in [top, *top.children(recursive=True)]:
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
    return total / 1e6


def cpu(tops: list[psutil.Process]) -> list[float]:
    """Return the seconds of a core that each process and what it ran have taken."""
    return [sum(each.cpu_times()[:4]) for each in tops]


def wait(sides: Mapping[Side, int], tops: list[psutil.Process]) -> float:
    """Wait until each side has so many installs at their pull requests; return the highest memory on the way, in MB."""
    highest, deadline = 0.0, time.monotonic() + PATIENCE_SECONDS
    while any(len(side.done()) < count for side, count in sides.items()):
        highest = max(highest, memory(tops))
        if time.monotonic() > deadline:
            raise SystemExit(f"only {[len(each.done()) for each in sides]} of {list(sides.values())} were done in time")
        time.sleep(1)
    return highest


def repositories(folder: Path, count: int, start: int) -> list[Path]:
    """Return bare repositories with one commit each."""
    template = folder / "template.git"
    if not template.exists():
        work = folder / "work"
        git = ["git", "-c", "user.name=B", "-c", "user.email=b@example.com", "-C", str(work)]
        work.mkdir(parents=True)
        (work / "README.md").write_text("# Hello\n")
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
            subprocess.run([*git, *command], check=True)
        subprocess.run(["git", "clone", "-q", "--bare", str(work), str(template)], check=True)
    made = [folder / f"r{number}.git" for number in range(start, start + count)]
    for each in made:
        shutil.copytree(template, each)
    return made


def main(flood: int, beside: int) -> None:
    """Measure and print."""
    with installation() as base, tempfile.TemporaryDirectory(prefix="slw-bench-repositories-") as folder:
        place = Path(folder)
        settings = base.model_copy(
            update={"local_repository_roots": (place,), "master_key": SecretStr(secrets.token_urlsafe(32))}
        )
        database = open_database(settings)
        loud, quiet = Side(database, settings, "loud"), Side(database, settings, "quiet")
        with processes(settings) as tops:
            time.sleep(6)
            began = now()
            quiet.ask(repositories(place, beside, 0))
            wait({quiet: beside}, tops)
            first = quiet.done()
            alone = [(each - began).total_seconds() for each in first.values()]
            both = repositories(place, flood + beside, beside)
            before = cpu(tops)
            began = now()
            loud.ask(both[:flood])
            asked = now()
            quiet.ask(both[flood:])
            highest = wait({loud: flood, quiet: 2 * beside}, tops)
            relay, worker = (now_ - then for now_, then in zip(cpu(tops), before, strict=True))
            second = {key: moment for key, moment in quiet.done().items() if key not in first}
            crowded = [(each - asked).total_seconds() for each in second.values()]
            flooded = [(each - began).total_seconds() for each in loud.done().values()]
        whole = max(*flooded, *crowded)
        print(
            f"{flood + beside} installs planned and applied in {whole:.0f} s: {(flood + beside) / whole:.2f} a second"
        )
        print(f"highest memory of relay, worker and what they run: {highest:.0f} MB (PSS)")
        print(f"seconds of a core: relay {relay:.1f}, worker and what it ran {worker:.1f}")
        print(f"the flood: median {statistics.median(flooded):.1f} s, last {max(flooded):.1f} s")
        print(f"{beside} of another tenant, alone: median {statistics.median(alone):.1f} s, last {max(alone):.1f} s")
        print(
            f"{beside} of another tenant, behind the flood: median {statistics.median(crowded):.1f} s, "
            f"last {max(crowded):.1f} s: {max(crowded) / max(alone):.1f} x of alone, "
            f"{max(crowded) / max(flooded):.2f} of the flood's last"
        )


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    main(*(numbers or [180, 20]))
