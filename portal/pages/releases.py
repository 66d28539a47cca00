"""The pages of releases: what the tenant ships, one release, and the form that records one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.attestations.service import SupplyChainAttestationService
from catalog.attestations.shapes import Assessment, AttestationRead
from catalog.environments.models import Environment, Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.gating import PolicyRefusedError, Verdict, Violation, keep_refusal
from catalog.refusals import sentence
from catalog.releases.models import CreateRelease, Release, ReleaseRead, ServiceRead
from catalog.releases.service import ReleaseService, read
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.attestations import evidence_about
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.proposals import blocks_on
from portal.pages.render import Page, redirect
from portal.pages.sboms import Materials, materials_of

READ = [requires("releases:read")]
WRITE = [requires("releases:write")]
PAGE_SIZE = 50
MOST_ARTIFACTS = 20
LABELS = {
    "service": "Service",
    "version": "Version",
    "repository": "Repository",
    "commit": "Commit",
    "environment": "Environment",
    "pipeline": "Pipeline",
    "owner": "Owner",
    "labels": "Labels",
    "artifacts": "Artifacts",
    "notes": "Notes",
}
FIXES = {
    "service": "Use lower case letters, digits and inner dashes, such as web or billing-api.",
    "version": "Use letters, digits, dots, dashes, plus and underscore, such as 1.4.0.",
    "commit": "Give a commit id: 7 to 64 hexadecimal digits, in lower case.",
    "artifacts": "Write one artifact per line: TYPE NAME DIGEST, such as oci-image registry/web sha256:…",
    "labels": "Write one label per line: NAME=VALUE.",
}


@dataclass(frozen=True)
class ReleaseListPage(Page):
    """The tenant's releases, newest first, of one service where one was chosen."""

    template: ClassVar[str] = "releases/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"release-list": "releases/_list.html"}

    releases: Sequence[ReleaseRead]
    services: Sequence[ServiceRead]
    service: str
    can_create: bool
    previous_href: str = ""
    next_href: str = ""

    @property
    def tabs(self) -> list[tuple[str, str, str, int | None]]:
        """Return key, name, address and no count for each service."""
        named = [(each.name, each.name, f"/releases?service={each.name}", None) for each in self.services]
        return [("", "All", "/releases", None), *named]


@dataclass(frozen=True)
class ReleasePage(Page):
    """One release with what it is a version of."""

    template: ClassVar[str] = "releases/show.html"
    fragments: ClassVar[Mapping[str, str]] = {"release-evidence": "releases/_evidence.html"}

    release: ReleaseRead
    service: ServiceRead
    attestations: Sequence[AttestationRead] = ()
    evidence: Assessment | None = None
    materials: Materials | None = None
    blocks: Sequence[Violation] = ()


@dataclass(frozen=True)
class NewReleasePage(FormErrors, Page):
    """The form that records a release; after a refusal it says what policies found."""

    template: ClassVar[str] = "releases/new.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    environments: Sequence[tuple[str, str]] = (("", "None: a pipeline built it"),)
    verdict: Verdict | None = None

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")


@get("/releases", guards=READ, sync_to_thread=True)
def list_releases(
    request: WebRequest, session: OpenSession, principal: Caller, service: Text = None, cursor: Text = None
) -> Response[str]:
    """Show the tenant's releases, newest first."""
    releases = ReleaseService(session)
    rows = releases.page(principal.tenant_id, service or None, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    chosen = {"service": service} if service else {}
    page = ReleaseListPage(
        releases=[read(each) for each in found],
        services=[ServiceRead.model_validate(each) for each in releases.services(principal.tenant_id)],
        service=service or "",
        can_create=principal.may("releases:write"),
        previous_href="/releases?" + urlencode(chosen) if cursor else "",
        next_href="/releases?" + urlencode({**chosen, "cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/releases/{release_id:uuid}", guards=READ, sync_to_thread=True)
def show_release(
    request: WebRequest, release_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show one release."""
    service = ReleaseService(session)
    release = service.get(principal.tenant_id, release_id)
    attested = _attested(SupplyChainAttestationService(session, settings), principal.tenant_id, release)
    evidence = evidence_about(session, settings, principal, f"releases/{release_id}")
    materials = materials_of(session, settings, principal, f"releases/{release_id}")
    page = ReleasePage(
        read(release),
        ServiceRead.model_validate(service.service_of(release)),
        attested,
        evidence,
        materials,
        blocks_on(session, settings, principal, f"releases/{release_id}"),
    )
    return renderer_of(request).respond(request, page)


@get("/releases/new", guards=WRITE, sync_to_thread=True)
def show_new_release(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    environment: Text = None,
) -> Response[str]:
    """Show the form; ``environment`` chooses what it is made from."""
    choices = _choices(EphemeralEnvironmentService(session, settings).page(principal.tenant_id))
    page = NewReleasePage(values={"environment": environment or ""}, environments=choices)
    return renderer_of(request).respond(request, page)


@post("/releases", guards=WRITE, sync_to_thread=True)
def create_release(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Record a release and go to its page; whatever is wrong, or refused by policies, is shown in the form."""
    values = last_values(sent_fields(data))
    environments = EphemeralEnvironmentService(session, settings)
    asked, errors = _asked(values)
    verdict = None
    status = 422
    if asked is not None:
        try:
            release, _ = ReleaseService(session).create(principal, asked, environments)
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = error.errors or (FieldError("", error.detail),), error.status
        except PolicyRefusedError as refusal:
            keep_refusal(session, refusal)
            verdict, status = refusal.verdict, refusal.status
        else:
            return redirect(f"/releases/{release.id}", "release-created")
    choices = _choices(environments.page(principal.tenant_id))
    page = NewReleasePage(values, errors, choices, verdict)
    return renderer_of(request).respond(request, page, status_code=status)


def _attested(service: SupplyChainAttestationService, tenant_id: UUID, release: Release) -> Sequence[AttestationRead]:
    """Return what is verifiably said of the release's artifacts, each statement once."""
    digests = [each["digest"].partition(":") for each in release.artifacts[:MOST_ARTIFACTS]]
    found = [
        each
        for algorithm, _, digest in digests
        for each in service.page(tenant_id, digest=(algorithm, digest), limit=20)
    ]
    return list({each.id: each for each in found}.values())


def _choices(environments: Sequence[Environment]) -> list[tuple[str, str]]:
    living = [each for each in environments if each.deployed_sha and each.phase is not Phase.DESTROYED]
    named = [(str(each.id), f"{each.name} at {(each.deployed_sha or '')[:8]}") for each in living]
    return [("", "None: a pipeline built it"), *named]


def _asked(values: Mapping[str, str]) -> tuple[CreateRelease | None, Sequence[FieldError]]:
    given = {name: values.get(name, "").strip() for name in LABELS}
    body = {name: text for name, text in given.items() if text and name not in {"labels", "artifacts"}}
    lines = [line.split() for line in given["artifacts"].splitlines() if line.strip()]
    labels = [line.partition("=") for line in given["labels"].splitlines() if line.strip()]
    wrong = [FieldError("/artifacts", FIXES["artifacts"])] if any(len(line) != 3 for line in lines) else []
    wrong += [FieldError("/labels", FIXES["labels"])] if any(not equals for _, equals, _ in labels) else []
    if wrong:
        return None, wrong
    artifacts = [{"type": kind, "name": name, "digest": digest} for kind, name, digest in lines]
    named = {"labels": {name.strip(): value.strip() for name, _, value in labels}} if labels else {}
    try:
        return CreateRelease.model_validate({**body, **named, "artifacts": artifacts}), ()
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        return None, [
            FieldError("/" + "/".join(map(str, each["loc"])), FIXES.get(str(each["loc"][0]), sentence(each)))
            for each in errors
        ]


ROUTES = (list_releases, show_new_release, show_release, create_release)
