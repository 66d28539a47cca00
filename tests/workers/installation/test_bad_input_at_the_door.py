"""What goes wrong around installs, as a program meets it over HTTP: refused with what to do, and nothing is damaged.

Hooks that are forged or replayed are in ``tests/portal/scm``.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from catalog.assets.archive import PackageFile, build_archive
from catalog.db import Database
from catalog.settings import Settings
from catalog.tenancy import ALL_SCOPES, ROLE_SCOPES, Principal, Role
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from portal.app import create_app
from tests.workers.installation.conftest import MANIFEST, WORKFLOW, Do, Repo
from workers.installers import rendering

Client = TestClient[Litestar]
Work = Callable[..., list[str]]
API = "/api/v1"
PATH = ".github/workflows/build.yml"
LATER = WORKFLOW + "      - run: make package\n"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings under which nobody waits: the worker has its turn in between."""
    return settings.model_copy(update={"upload_wait_seconds": 0.0})


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """The portal."""
    with TestClient(create_app(settings), base_url=settings.base_url) as made:
        yield made


def token(database: Database, who: Principal) -> dict[str, str]:
    """Return the header by which somebody calls."""
    scopes = sorted(who.scopes & ALL_SCOPES)
    with database.tenant_session(who.tenant_id) as session:
        made = TenantService(session).create_token(who, CreateToken(name="test", scopes=scopes))
    return {"Authorization": f"Bearer {made.token}"}


class Door:
    """The API as somebody of ``acme`` uses it, with a worker that has its turn after each call."""

    def __init__(self, client: Client, headers: dict[str, str], work: Work, repo: Repo) -> None:
        self.client, self.headers, self.work, self.repo = client, headers, work, repo
        self.asked = {"asset": "acme/pipeline", "target": {"repository": str(repo.path)}}

    def get(self, path: str) -> dict[str, Any]:
        """Read something."""
        answer = self.client.get(f"{API}{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, body: dict[str, Any], status: int = 202) -> dict[str, Any]:
        """Ask for something; the worker does what follows."""
        answer = self.client.post(f"{API}{path}", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        self.work()
        found: dict[str, Any] = answer.json()
        return found

    def plan(self, path: str = "/installs/plan", **more: Any) -> dict[str, Any]:
        """Plan, and return the plan when it is made."""
        if path == "/installs/plan":
            return self.get(f"/installs/plans/{self.post(path, {**self.asked, **more})['id']}")
        return self.get(f"/installs/plans/{self.post(path, {'plan_only': True, **more})['plan']}")

    def apply(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Apply a plan, and return the operation as it ended."""
        made = self.post("/installs", {"plan": plan["id"], "digest": plan["digest"]})
        operation: dict[str, Any] = self.get(f"/operations/{made['operation']}")
        return operation

    def only(self) -> dict[str, Any]:
        """Return the only install."""
        (found,) = self.get("/installs")["items"]
        return self.get(f"/installs/{found['id']}")

    def branches(self) -> list[str]:
        """Return the branches that Slipway made."""
        return self.repo.git("for-each-ref", "refs/heads/slipway", "--format=%(refname:short)").split()


@pytest.fixture
def door(client: Client, database: Database, acme: Principal, work: Work, repo: Repo) -> Door:
    """The API with everything that may be done."""
    return Door(client, token(database, acme), work, repo)


def test_a_template_that_renders_outside_its_folder(door: Door, publish: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = MANIFEST.replace("VERSION", "1.0.0").replace("NAME", "outside").replace("UPGRADES\n", "")
    texts = {
        "asset.yaml": manifest.replace("to: .github/workflows", "to: ../elsewhere"),
        "README.md": "# A pipeline\n",
        "CHANGELOG.md": "# Changes\n\n## 1.0.0\n\n- First.\n",
        "LICENSE": "Apache-2.0\n",
        "inputs.schema.json": '{"type": "object"}',
        "content/github/build.yml": WORKFLOW,
    }
    archive = build_archive({path: PackageFile(text.encode()) for path, text in texts.items()}).data
    sent = {"archive": ("a.tar.gz", archive, "application/gzip")}
    refused = door.client.post(f"{API}/assets", files=sent, headers=door.headers)
    assert refused.status_code == 422, refused.text
    assert "path-parent" in refused.text
    assert "asset.yaml" in refused.text

    # Whatever got through, and whatever the sandbox answers: paths are looked at where nothing hostile runs.
    publish()
    for path in ("../outside.yml", ".git/hooks/post-checkout", "/etc/cron.d/x"):
        with monkeypatch.context() as patch:
            patch.setattr(rendering, "render", lambda *_, path=path: rendering.check_path(path))
            plan = door.plan()
        assert plan["state"] == "failed"
        assert (plan["problem"]["code"], "Nothing was done" in plan["problem"]["message"]) == ("install_refused", True)
        assert repr(path) in plan["problem"]["message"]
    assert door.branches() == []


def test_a_repository_without_rights(door: Door, publish: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    # Whoever runs the tests may be root, to whom the modes of files say nothing.
    may = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK and may(path, mode))
    plan = door.plan()
    assert plan["state"] == "failed"
    assert "Let the account it runs under write there" in plan["problem"]["message"]
    assert door.branches() == []
    assert door.get("/installs")["items"] == []


def test_around_an_upgrade(
    door: Door, publish: Do, repo: Repo, work: Work, database: Database, acme: Principal
) -> None:
    publish()
    door.apply(door.plan())
    first = door.only()
    repo.merge(first["proposed"]["branch"])
    work(periodic=True)
    path = f"/installs/{first['id']}"
    publish("1.1.0", {"build.yml.j2": LATER})

    # A plan from yesterday, and somebody has changed the file since: nothing is done, and the next plan is named.
    old = door.plan(f"{path}/upgrade")
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().exec_driver_sql("UPDATE install_plans SET created_at = created_at - interval '1 day'")
    edited = repo.read(PATH).replace("run: make\n", "run: make all\n") + "\n"
    repo.write({PATH: edited})
    moved = door.apply(old)
    assert (moved["state"], moved["error"]["code"]) == ("failed", "plan_moved")
    fresh = door.get(f"{path}/plans")["items"][0]
    assert fresh["id"] in moved["error"]["hint"]
    assert fresh["follows"] == old["id"]
    assert door.branches() == [first["proposed"]["branch"]]
    assert repo.read(PATH) + "\n" == edited

    # Two upgrades at once: the second is told to wait for the first, and changes nothing.
    other = door.plan(f"{path}/upgrade")
    both = [{"plan": each["id"], "digest": each["digest"]} for each in (fresh, other)]
    answers = [door.client.post(f"{API}/installs", json=body, headers=door.headers) for body in both]
    assert [each.status_code for each in answers] == [202, 409]
    refused = answers[1].json()
    assert refused["type"] == "urn:slipway:problem:install_busy"
    assert "Wait for its end, then plan again" in refused["detail"]
    work()
    waiting = door.only()
    assert (waiting["state"], waiting["desired_revision"]) == ("waiting", 2)

    # Somebody forces the branch of the open upgrade: it is theirs, and the install says what can be done.
    branch = waiting["proposed"]["branch"]
    theirs = repo.write({"notes.txt": "mine\n"}, branch, force=True)
    work(periodic=True)
    seen = door.only()
    assert (seen["state"], seen["failure"]["code"]) == ("waiting", "branch_taken")
    assert "merge or close pull request" in seen["failure"]["message"]
    assert repo.git("rev-parse", branch) == theirs

    # The pull request is closed by hand: what was there before still is, and another plan can follow.
    repo.git("update-ref", "-d", f"refs/heads/{branch}")
    work(periodic=True)
    declined = door.only()
    assert (declined["state"], declined["applied_revision"], declined["desired_revision"]) == ("applied", 1, 1)
    assert (declined["failure"]["code"], "Plan again" in declined["failure"]["hint"]) == ("declined", True)
    assert repo.read(PATH) + "\n" == edited
    assert door.plan(f"{path}/upgrade")["state"] == "ready"


def test_an_approver_who_left(door: Door, publish: Do, database: Database, acme: Principal) -> None:
    publish()
    people = []
    for name in ("Bob", "Dan"):
        with database.tenant_session(acme.tenant_id) as session:
            member = TenantService(session).add_member(
                acme.tenant_id, name, f"{name.lower()}@example.com", Role.APPROVER
            )
        scopes = ROLE_SCOPES[Role.APPROVER]
        who = Principal(acme.tenant_id, "acme", f"member:{member.id}", name, scopes, member.id)
        people.append(Door(door.client, token(database, who), door.work, door.repo))
    bob, dan = people
    door.post("/installs/approval-rules", {"name": "all", "need": {"mode": "any"}}, 201)
    plan = door.plan()
    (approval,) = door.post("/installs", {"plan": plan["id"], "digest": plan["digest"]})["approvals"]
    assert bob.client.post(f"{API}/approvals/{approval}/approve", json={}, headers=bob.headers).status_code < 300
    with database.tenant_session(acme.tenant_id) as session:
        session.connection().exec_driver_sql("UPDATE members SET removed_at = now() WHERE name = 'Bob'")
    door.work()
    waiting = door.get(f"/installs/plans/{plan['id']}")
    assert waiting["state"] == "ready"
    assert "has left or may not approve any more" in waiting["approvals"][0]["problem"]
    refused = bob.client.post(f"{API}/approvals/{approval}/approve", json={}, headers=bob.headers)
    assert refused.status_code in {401, 403}
    assert door.branches() == []
    dan.post(f"/approvals/{approval}/approve", {}, 200)
    assert door.get(f"/installs/plans/{plan['id']}")["state"] == "applied"
    assert len(door.branches()) == 1
