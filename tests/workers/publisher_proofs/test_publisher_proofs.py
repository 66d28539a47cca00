"""Verified publishers: what stands at a domain or in a repository is found, and nothing inside the network is asked."""

import http.server
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.clock import now
from catalog.db import Database
from catalog.errors import InvalidInputError, NotFoundError
from catalog.providers.blobs import open_blobs
from catalog.providers.websites import WebsiteError, read_text
from catalog.publishers.models import ClaimProof, ProofKind, ProofState, PublisherProofRead
from catalog.publishers.service import PublisherProofService
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from workers.main import App
from workers.publisher_proofs import WORKER
from workers.runtime.drain import drain
from workers.runtime.registry import registry


class Site:
    """A website of one text, with a status."""

    def __init__(self) -> None:
        self.text, self.status, self.headers = "", 200, dict[str, str]()
        self.asked: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                self.send_response(site.status)
                for name, value in site.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(site.text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.domain = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


@pytest.fixture
def settings(settings: Settings, site: Site, tmp_path: Path) -> Settings:
    places = {"internal_domains": (site.domain,), "local_repository_roots": (tmp_path / "open",)}
    return settings.model_copy(update=places)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    made = App(settings, registry((WORKER,)))
    yield made
    made.close()


@pytest.fixture
def claim(database: Database, settings: Settings) -> Callable[..., PublisherProofRead]:
    def make(principal: Principal, kind: ProofKind, subject: str) -> PublisherProofRead:
        with database.tenant_session(principal.tenant_id) as session:
            return PublisherProofService(session).claim(principal, ClaimProof(kind=kind, subject=subject), settings)

    return make


def proofs(database: Database, principal: Principal) -> list[PublisherProofRead]:
    with database.tenant_session(principal.tenant_id) as session:
        return list(PublisherProofService(session).all(principal.tenant_id))


def publish(database: Database, settings: Settings, principal: Principal, namespace: str, name: str) -> None:
    files = {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", namespace, name).items()}
    archive = settings.data_dir / "a.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(build_archive(files).data)
    with archive.open("rb") as source, database.tenant_session(principal.tenant_id) as session:
        UploadService(session, open_blobs(settings)).receive(principal, source)


def verified(database: Database, principal: Principal, namespace: str, name: str) -> str | None:
    with database.tenant_session(principal.tenant_id) as session:
        return AssetService(session).get(principal.tenant_id, namespace, name).verified_publisher


def age(database: Database, principal: Principal, days: int) -> None:
    with database.tenant_session(principal.tenant_id) as session:
        session.connection().exec_driver_sql(
            "UPDATE publisher_proofs SET created_at = created_at - %(by)s, verified_at = verified_at - %(by)s,"
            " look_at = now()",
            {"by": timedelta(days=days)},
        )


def test_a_domain_that_shows_the_challenge_is_verified_and_marks_old_and_new_assets(
    app: App,
    database: Database,
    settings: Settings,
    acme: Principal,
    site: Site,
    claim: Callable[..., PublisherProofRead],
) -> None:
    publish(database, settings, acme, "acme", "first")
    proof = claim(acme, ProofKind.DOMAIN, site.domain)
    site.text = f"# two installations\nslipway-publisher=other\n {proof.challenge} \n"

    drain(app)

    (found,) = proofs(database, acme)
    assert (found.state, found.problem) == (ProofState.VERIFIED, None)
    assert site.asked == ["/.well-known/slipway-publisher.txt"]
    assert verified(database, acme, "acme", "first") == site.domain
    publish(database, settings, acme, "acme", "second")
    drain(app)
    assert verified(database, acme, "acme", "second") == site.domain


def test_another_tenant_is_not_verified_by_the_same_line(
    app: App,
    database: Database,
    acme: Principal,
    rival: Principal,
    site: Site,
    claim: Callable[..., PublisherProofRead],
) -> None:
    site.text = claim(acme, ProofKind.DOMAIN, site.domain).challenge
    claim(rival, ProofKind.DOMAIN, site.domain)

    drain(app)

    assert [each.state for each in proofs(database, acme)] == [ProofState.VERIFIED]
    (theirs,) = proofs(database, rival)
    assert theirs.state is ProofState.PENDING
    assert "none of its lines is the challenge" in (theirs.problem or "")


def test_what_is_gone_for_a_week_lapses_and_a_day_does_not_count(
    app: App,
    database: Database,
    settings: Settings,
    acme: Principal,
    site: Site,
    claim: Callable[..., PublisherProofRead],
) -> None:
    publish(database, settings, acme, "acme", "first")
    site.text = claim(acme, ProofKind.DOMAIN, site.domain).challenge
    drain(app)
    site.status = 503
    age(database, acme, 1)
    drain(app, periodic=True)
    (found,) = proofs(database, acme)
    assert (found.state, "answers 503" in (found.problem or "")) == (ProofState.VERIFIED, True)
    assert verified(database, acme, "acme", "first") == site.domain

    age(database, acme, 7)
    claim(acme, ProofKind.DOMAIN, site.domain)
    drain(app)

    (found,) = proofs(database, acme)
    assert found.state is ProofState.LAPSED
    assert verified(database, acme, "acme", "first") is None
    with database.system_session() as session:
        assert PublisherProofService.due(session, now() + timedelta(days=400), 10) == []


def test_a_repository_that_holds_the_challenge_is_verified_until_it_is_withdrawn(
    app: App,
    database: Database,
    settings: Settings,
    acme: Principal,
    tmp_path: Path,
    claim: Callable[..., PublisherProofRead],
) -> None:
    publish(database, settings, acme, "acme", "first")
    path = tmp_path / "open" / "app"
    path.mkdir(parents=True)
    git = ["git", "-C", str(path), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "first"], check=True)
    proof = claim(acme, ProofKind.REPOSITORY, str(path))
    drain(app)
    assert "has no file .slipway-publisher" in (proofs(database, acme)[0].problem or "")

    (path / ".slipway-publisher").write_text(proof.challenge)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "prove"], check=True)
    claim(acme, ProofKind.REPOSITORY, str(path))
    drain(app)
    assert verified(database, acme, "acme", "first") == str(path)

    with database.tenant_session(acme.tenant_id) as session:
        PublisherProofService(session).withdraw(acme, proof.id)
    assert verified(database, acme, "acme", "first") is None


@pytest.mark.parametrize(
    "domain", ["", "localhost", "https://example.com", "example.com/x", "a b.example", "exa_mple.com"]
)
def test_what_is_no_domain_is_named(acme: Principal, domain: str, claim: Callable[..., PublisherProofRead]) -> None:
    with pytest.raises((InvalidInputError, ValueError), match=r"is not a domain|at least 1 character"):
        claim(acme, ProofKind.DOMAIN, domain)


def test_claims_of_others_cannot_be_withdrawn(
    database: Database, acme: Principal, rival: Principal, claim: Callable[..., PublisherProofRead]
) -> None:
    proof = claim(acme, ProofKind.DOMAIN, "example.com")
    with database.tenant_session(rival.tenant_id) as session, pytest.raises(NotFoundError):
        PublisherProofService(session).withdraw(rival, proof.id)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
def test_nothing_inside_the_network_is_asked(settings: Settings, host: str) -> None:
    with pytest.raises(WebsiteError, match="not a public host"):
        read_text(f"https://{host}/.well-known/slipway-publisher.txt", settings)


def test_redirects_and_floods_are_refused(settings: Settings, site: Site) -> None:
    site.status, site.headers = 302, {"Location": "http://169.254.169.254/"}
    with pytest.raises(WebsiteError, match="answers 302"):
        read_text(f"https://{site.domain}/x", settings)
    site.status, site.headers, site.text = 200, {}, "x" * 70_000
    with pytest.raises(WebsiteError, match="more than 64 KiB"):
        read_text(f"https://{site.domain}/x", settings)
