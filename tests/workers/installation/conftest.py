"""What tests of installs share: a publisher, a repository, and the worker that brings installs about."""

import io
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import Session

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.check import check_archive
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.db import Database
from catalog.events.envelope import Envelope
from catalog.installs.events import InstallRequested
from catalog.installs.models import Install, InstallPlan
from catalog.installs.service import InstallService
from catalog.installs.shapes import ApplyPlan, AskInstall, InstallRead, PlanRead, RevisionRead
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from workers import installation
from workers.main import App
from workers.runtime.context import JobContext
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Do = Callable[..., Any]

SCHEMA = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {PROPERTIES}}"""
MANIFEST = """apiVersion: slipway/v1
kind: pipeline-template
metadata:
  namespace: acme
  name: NAME
  version: VERSION
  displayName: A pipeline
  summary: Builds a thing
  license: Apache-2.0
requires: {permissions: ["scm:pull-request"]}
UPGRADES
inputs: {schema: inputs.schema.json}
spec:
  targets:
    - {provider: github-actions, from: content/github, to: .github/workflows}
"""
WORKFLOW = """name: build
on: [push]
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - run: make
      - run: make test
      - run: echo [[ inputs.greeting ]]
"""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a Slipway that may read the test's own repositories and keep secrets."""
    mine = {"local_repository_roots": (tmp_path / "repositories",), "master_key": SecretStr("for tests")}
    return settings.model_copy(update=mine)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """Make the inside of a worker process that brings installs about."""
    made = App(settings, registry([installation.WORKER]))
    yield made
    made.close()


@pytest.fixture
def work(app: App, database: Database) -> Callable[..., list[str]]:
    """Return what lets the worker do everything that is due; ``periodic`` runs what the clock starts as well."""

    def done(*, periodic: bool = False) -> list[str]:
        if periodic:
            # A test does not wait for the clock, however little time has passed since the last run.
            with database.system_session() as session:
                session.connection().execute(text("UPDATE schedules SET due_at = clock_timestamp()"))
        return drain(app, periodic=periodic)

    return done


@pytest.fixture
def publish(database: Database, settings: Settings, acme: Principal) -> Do:
    """Return what publishes a version of a pipeline template of ``acme``."""

    def published(
        version: str = "1.0.0",
        files: Mapping[str, str] | None = None,
        *,
        name: str = "pipeline",
        properties: str = '"greeting": {"type": "string", "default": "hello"}',
        upgrades: str = "",
    ) -> None:
        manifest = MANIFEST.replace("VERSION", version).replace("NAME", name).replace("UPGRADES", upgrades)
        texts = {
            "asset.yaml": manifest,
            "README.md": "# A pipeline\n",
            "CHANGELOG.md": f"# Changes\n\n## {version}\n\n- It changed.\n",
            "LICENSE": "Apache-2.0\n",
            "inputs.schema.json": SCHEMA.replace("PROPERTIES", properties),
            **{f"content/github/{path}": text for path, text in (files or {"build.yml.j2": WORKFLOW}).items()},
        }
        archive = build_archive({path: PackageFile(text.encode()) for path, text in texts.items()}).data
        checked = check_archive(archive)
        assert checked.package is not None, checked.findings
        assert not checked.errors, checked.errors
        with database.tenant_session(acme.tenant_id) as session:
            service = AssetService(session)
            service.claim_namespace(acme, "acme")
            service.publish(acme, checked.package)
        blobs = open_blobs(settings)
        blobs.write(io.BytesIO(archive))

    return published


class Killed(BaseException):
    """A worker that was killed."""


class Mortal(JobContext):
    """The context of a worker that is killed after so many of its transactions were committed."""

    lives = 0

    @contextmanager
    def session(self, tenant_id: UUID | None = None) -> Iterator[Session]:
        """Run a unit of work, and die after the last that is granted."""
        with super().session(tenant_id) as session:
            yield session
        self.lives -= 1
        if self.lives < 0:
            raise Killed


@pytest.fixture
def run_until(app: App, acme: Principal) -> Callable[[Install, int], bool]:
    """Return what applies an install's plan with a worker that is killed after N transactions; true where it was."""

    def ran(install: Install, lives: int) -> bool:
        data = InstallRequested(
            install_id=install.id,
            name=install.name,
            asset=install.asset,
            plan_id=install.plan_id or uuid4(),
            operation_id=install.operation_id or uuid4(),
            action="install",
        )
        envelope = Envelope(
            id=uuid4(),
            source="test",
            type=data.event_type(),
            subject=f"installs/{install.id}",
            time=now(),
            tenantid=acme.tenant_id,
            actor="test",
            correlationid=uuid4(),
            sequence="0",
            data=data.model_dump(mode="json"),
        )
        context = Mortal(app.runtime, "installs.materialise", tenant_id=acme.tenant_id, envelope=envelope)
        context.lives = lives
        try:
            installation.materialise(context)
        except Killed:
            return True
        return False

    return ran


@pytest.fixture
def begun(run_until: Callable[[Install, int], bool]) -> "Callable[[Ledger, PlanRead], tuple[UUID, str]]":
    """Return what applies a plan up to its revision, and gives the install's id and the name of the branch to come."""

    def until_the_revision(ledger: Ledger, plan: PlanRead) -> tuple[UUID, str]:
        with ledger.database.tenant_session(ledger.who.tenant_id) as session:
            asked = ApplyPlan(plan=plan.id, digest=plan.digest or "")
            install: Install = InstallService(session, ledger.settings).apply(ledger.who, asked)
        assert run_until(install, 2)
        return install.id, f"slipway/{install.name}-{ledger.revisions(install.id)[0].id.hex[:8]}"

    return until_the_revision


@dataclass
class Repo:
    """A bare repository with one commit on ``main``, and what a user does in it."""

    path: Path

    def git(self, *arguments: str, sent: str | None = None) -> str:
        """Run git in it."""
        command = ["git", "-C", str(self.path), "-c", "user.name=Ann", "-c", "user.email=ann@example.com", *arguments]
        done = subprocess.run(command, input=sent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | None], branch: str = "main", *, force: bool = False) -> str:
        """Commit files on a branch (None removes one) as its user, and return the commit."""
        work = self.path.parent / "work"
        subprocess.run(["rm", "-rf", str(work)], check=True)
        self.git("clone", "-q", "--branch", branch, str(self.path), str(work))
        for path, content in files.items():
            place = work / path
            if content is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
        inner = Repo(work)
        inner.git("add", "-A")
        inner.git("commit", "-q", "--allow-empty", "-m", "Change", *(["--amend"] if force else []))
        inner.git("push", "-q", *(["--force"] if force else []), "origin", f"HEAD:{branch}")
        return inner.git("rev-parse", "HEAD")

    def read(self, path: str, ref: str = "main") -> str:
        """Return a file."""
        return self.git("show", f"{ref}:{path}")

    def has(self, path: str, ref: str = "main") -> bool:
        """Tell whether there is a file."""
        return path in self.git("ls-tree", "-r", "--name-only", ref).splitlines()

    def merge(self, branch: str) -> None:
        """Merge a branch into ``main`` as a person would."""
        work = self.path.parent / "merging"
        subprocess.run(["rm", "-rf", str(work)], check=True)
        self.git("clone", "-q", "--branch", "main", str(self.path), str(work))
        inner = Repo(work)
        inner.git("merge", "-q", "--no-ff", "-m", "Merge", f"origin/{branch}")
        inner.git("push", "-q", "origin", "HEAD:main")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository that Slipway may read and write."""
    path = tmp_path / "repositories" / "hello.git"
    path.mkdir(parents=True)
    made = Repo(path)
    made.git("init", "-q", "--bare", "-b", "main")
    seed = tmp_path / "seed"
    seed.mkdir()
    first = Repo(seed)
    first.git("init", "-q", "-b", "main")
    (seed / "README.md").write_text("# Hello\n")
    first.git("add", "-A")
    first.git("commit", "-q", "-m", "First")
    first.git("push", "-q", str(path), "main")
    return made


class Ledger:
    """The service as a person uses it: each call is a unit of work of its own, then the worker has its turn."""

    def __init__(self, database: Database, settings: Settings, who: Principal, work: Callable[..., list[str]]) -> None:
        self.database, self.settings, self.who, self.work = database, settings, who, work

    def ask(self, verb: str, *arguments: Any, **named: Any) -> PlanRead:
        """Ask for a plan and return it when the worker has made it."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            plan: InstallPlan = getattr(InstallService(session, self.settings), verb)(self.who, *arguments, **named)
        self.work()
        return self.plan(plan.id)

    def plan(self, plan_id: UUID) -> PlanRead:
        """Return a plan as it stands."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            return InstallService(session, self.settings).plan(self.who.tenant_id, plan_id)

    def apply(self, plan: PlanRead) -> InstallRead:
        """Apply a plan, let the worker do it, and return the install."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            install: Install = InstallService(session, self.settings).apply(
                self.who, ApplyPlan(plan=plan.id, digest=plan.digest or "")
            )
        self.work()
        return self.get(install.id)

    def get(self, install_id: UUID) -> InstallRead:
        """Return an install as it stands."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            return InstallService(session, self.settings).get(self.who.tenant_id, install_id)

    def revisions(self, install_id: UUID) -> list[RevisionRead]:
        """Return the chain, newest first."""
        with self.database.tenant_session(self.who.tenant_id) as session:
            return InstallService(session, self.settings).revisions(self.who.tenant_id, install_id)

    def install(self, asset: str, target: Mapping[str, Any], **more: Any) -> InstallRead:
        """Plan and apply a new install."""
        asked = AskInstall.model_validate({"asset": asset, "target": dict(target), **more})
        plan = self.ask("plan_install", asked)
        assert plan.problem is None, plan.problem
        return self.apply(plan)


@pytest.fixture
def ledger(database: Database, settings: Settings, acme: Principal, work: Callable[..., list[str]]) -> Ledger:
    """Return the service as somebody of ``acme`` uses it."""
    return Ledger(database, settings, acme, work)
