"""The pages of environments: list, one environment with its progress, and the question before it is destroyed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Stream
from sqlmodel import Session

from catalog.assets.service import AssetService
from catalog.assets.usage.models import Notice
from catalog.attestations.shapes import Assessment
from catalog.environments.life import TtlBase
from catalog.environments.machine import LEAVING
from catalog.environments.models import EnvironmentRead, Phase
from catalog.environments.service import EphemeralEnvironmentService, read
from catalog.errors import ConflictError, FieldError, InvalidInputError, QuotaExceededError, UnavailableError
from catalog.gating import Violation
from catalog.operations.models import OperationRead
from catalog.operations.service import OperationService
from catalog.operations.service import read as read_operation
from catalog.providers.targets import providers
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.api.listing import cut, moment_and_id
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.attestations import evidence_about
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.live import EVENT_STREAM, Moment, follow_page
from portal.pages.presentation import PHASES
from portal.pages.proposals import blocks_on
from portal.pages.render import Page, redirect
from portal.pages.reviewed_inputs import NO_REVIEW, InputReview, ReviewedInput
from portal.pages.shell import Toast

READ = [requires("environments:read")]
WRITE = [requires("environments:write")]
PAGE_SIZE = 50
LOG_LINES = 200

MOVING = frozenset(phase for phase in Phase if PHASES[phase].is_moving)
LIVING = frozenset(Phase) - {Phase.DESTROYED}
FILTERS: dict[str, tuple[str, frozenset[Phase]]] = {
    "living": ("Living", LIVING),
    "ready": ("Ready", frozenset({Phase.READY})),
    "moving": ("In progress", MOVING),
    "failed": ("Failed", frozenset({Phase.FAILED, Phase.DESTROY_FAILED})),
    "destroyed": ("Destroyed", frozenset({Phase.DESTROYED})),
    "all": ("All", frozenset(Phase)),
}
BASES = {
    TtlBase.CREATED: "from its beginning",
    TtlBase.LAST_DEPLOY: "from its last deployment",
    TtlBase.LAST_ACTIVITY: "from when it was last used",
}
EXTENSIONS = (("PT4H", "4 hours"), ("P1D", "1 day"), ("P3D", "3 days"), ("P7D", "7 days"))


@dataclass(frozen=True)
class EnvironmentListPage(Page):
    """The tenant's environments in one group of phases; ``filter`` is a key of ``FILTERS``."""

    template: ClassVar[str] = "environments/index.html"
    fragments: ClassVar[Mapping[str, str]] = {"environment-list": "environments/_list.html"}

    environments: Sequence[EnvironmentRead]
    counts: Mapping[Phase, int]
    filter: str
    can_request: bool
    previous_href: str = ""
    next_href: str = ""

    @property
    def has_any(self) -> bool:
        """Tell whether the tenant has ever had an environment."""
        return any(self.counts.values())

    @property
    def tabs(self) -> list[tuple[str, str, str, int]]:
        """Return key, name, address and count of each filter."""
        return [
            (key, name, f"/environments?state={key}", sum(self.counts.get(phase, 0) for phase in phases))
            for key, (name, phases) in FILTERS.items()
        ]


@dataclass(frozen=True)
class EnvironmentPage(Page):
    """One environment with the operation that works on it and the end of its application's log."""

    template: ClassVar[str] = "environments/show.html"
    fragments: ClassVar[Mapping[str, str]] = {
        "environment-actions": "environments/_actions.html",
        "environment-status": "environments/_status.html",
        "environment-results": "environments/_results.html",
        "environment-facts": "environments/_facts.html",
        "environment-log": "environments/_log.html",
    }

    environment: EnvironmentRead
    operation: OperationRead | None
    log: Sequence[str]
    can_change: bool
    log_problem: str = ""
    bounds: str = ""
    limits: str = ""
    evidence: Assessment | None = None
    notices: Sequence[Notice] = ()
    extensions: Sequence[tuple[str, str]] = EXTENSIONS
    blocks: Sequence[Violation] = ()
    review: InputReview = NO_REVIEW

    @property
    def inputs(self) -> Sequence[ReviewedInput]:
        """Return the environment's inputs as the hints of its blueprint want them looked at."""
        return self.review.of_all(self.environment.inputs)

    @property
    def is_moving(self) -> bool:
        """Tell whether the phase changes by itself."""
        return self.environment.phase in MOVING

    @property
    def target_title(self) -> str:
        """Say where the environment runs."""
        known = providers().get(self.environment.target)
        return self.environment.target if known is None else known.title

    @property
    def base_words(self) -> str:
        """Say from when on the environment's time counts."""
        return BASES[self.environment.ttl_base]

    @property
    def buttons(self) -> Sequence[tuple[str, str, str]]:
        """What a press of a button does to the environment now: verb, label and icon."""
        if self.environment.phase is Phase.SLEEPING:
            return (("sleep", "Let it sleep", "moon") if self.environment.queue else ("wake", "Wake it", "sun"),)
        if self.environment.phase is Phase.READY:
            sleep = () if self.environment.pin else (("sleep", "Put to sleep", "moon"),)
            return (*sleep, ("rebuild", "Make it again", "rotate-ccw"))
        return ()

    @property
    def is_wanted(self) -> bool:
        """Tell whether the environment stays, so that somebody may keep it longer."""
        return not self.is_gone and self.environment.phase not in LEAVING

    @property
    def is_gone(self) -> bool:
        """Tell whether nothing of the environment is left or will be."""
        return self.environment.phase is Phase.DESTROYED

    @property
    def is_serving(self) -> bool:
        """Tell whether an application should answer at the environment's address now."""
        phase, answers = self.environment.phase, self.environment.deployed_sha is not None
        keeps = phase in {Phase.UPDATING, Phase.FAILED, Phase.UNKNOWN} and answers
        return self.environment.url is not None and (phase in {Phase.READY, Phase.SLEEPING} or keeps)


@dataclass(frozen=True)
class DestroyEnvironmentPage(Page):
    """The question that stands before an environment is destroyed."""

    template: ClassVar[str] = "environments/destroy.html"

    environment: EnvironmentRead


@get("/environments", guards=READ, sync_to_thread=True)
def list_environments(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    group: Annotated[str | None, QueryParameter(name="state", required=False, max_length=20)] = None,
    cursor: Text = None,
) -> Response[str]:
    """Show the tenant's environments, newest first."""
    chosen = group if group in FILTERS else "living"
    service = EphemeralEnvironmentService(session, settings)
    phases = sorted(FILTERS[chosen][1])
    rows = service.page(principal.tenant_id, phases, moment_and_id(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.created_at, each.id))
    places = service.places(principal.tenant_id)
    page = EnvironmentListPage(
        environments=[read(each, queue=places.get(each.id)) for each in found],
        counts=service.count_by_phase(principal.tenant_id),
        filter=chosen,
        can_request=principal.may("environments:write"),
        previous_href=f"/environments?state={chosen}" if cursor else "",
        next_href="/environments?" + urlencode({"state": chosen, "cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


def _load(session: Session, settings: Settings, principal: Principal, environment_id: UUID) -> EnvironmentPage:
    service, assets = EphemeralEnvironmentService(session, settings), AssetService(session)
    environment = service.get(principal.tenant_id, environment_id)
    operation = None
    if environment.operation_id is not None:
        operation = read_operation(OperationService(session).get(principal.tenant_id, environment.operation_id))
    log: list[str] = []
    problem = bounds = ""
    try:
        bounds = service.bounds(environment)
        tails = service.log_tails(principal.tenant_id, environment_id, LOG_LINES)
        for tail in tails:
            log += [f"{tail.component} | {line}" if len(tails) > 1 else line for line in tail.lines]
    except UnavailableError as error:
        problem = error.detail
    return EnvironmentPage(
        environment=service.read(environment),
        operation=operation,
        log=log,
        can_change=principal.may("environments:write"),
        log_problem=problem,
        bounds=bounds,
        limits=service.limits(environment),
        notices=service.notices(environment),
        review=InputReview.of(assets, principal.tenant_id, environment.blueprint, environment.blueprint_version),
    )


@get("/environments/{environment_id:uuid}", guards=READ, sync_to_thread=True)
def show_environment(
    request: WebRequest,
    environment_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Show one environment."""
    page = _load(session, settings, principal, environment_id)
    evidence = evidence_about(session, settings, principal, f"environments/{environment_id}")
    blocks = () if page.is_gone else blocks_on(session, settings, principal, f"environments/{environment_id}")
    return renderer_of(request).respond(request, replace(page, evidence=evidence, blocks=blocks))


@get("/environments/{environment_id:uuid}/stream", guards=READ, media_type=EVENT_STREAM)
async def follow_environment(
    request: WebRequest, environment_id: FromPath[UUID], settings: AppSettings, principal: Caller
) -> Stream:
    """Stream the page's fragments as they change, until the environment is gone."""

    def look(session: Session) -> Moment:
        page = _load(session, settings, principal, environment_id)
        return Moment(page, page.environment.operation_id, is_moving=page.is_moving, is_over=page.is_gone)

    return await follow_page(request, principal, look)


@post("/environments/{environment_id:uuid}/extend", guards=WRITE, sync_to_thread=True)
def extend_environment(  # most come from the request's unit of work
    request: WebRequest,
    environment_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Let an environment live longer, or say on its page why it cannot."""
    by = last_values(sent_fields(data)).get("by", "")

    def change(service: EphemeralEnvironmentService) -> object:
        return service.extend(principal, environment_id, by)

    return _changed(request, environment_id, session, settings, principal, change, "environment-extended")


def _changed(
    request: WebRequest,
    environment_id: UUID,
    session: Session,
    settings: Settings,
    principal: Principal,
    change: Callable[[EphemeralEnvironmentService], object],
    told: str,
) -> Response[str] | Redirect:
    """Change something about an environment's life, or say on its page why that cannot be."""
    try:
        change(EphemeralEnvironmentService(session, settings))
    except (ConflictError, InvalidInputError, QuotaExceededError) as error:
        session.rollback()
        page = _load(session, settings, principal, environment_id)
        return renderer_of(request).respond(
            request, page, status_code=error.status, toasts=(Toast("bad", error.detail),)
        )
    return redirect(f"/environments/{environment_id}", told)


@post("/environments/{environment_id:uuid}/pin", guards=WRITE, sync_to_thread=True)
def pin_environment(
    request: WebRequest,
    environment_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Keep an environment as it is for a while."""
    sent = last_values(sent_fields(data))

    def change(service: EphemeralEnvironmentService) -> object:
        reason = sent.get("reason", "").strip()[:500]
        if not reason:
            raise InvalidInputError("Say why the environment is to be kept.", [FieldError("/reason", "Say why.")])
        return service.pin(principal, environment_id, sent.get("by", ""), reason)

    return _changed(request, environment_id, session, settings, principal, change, "environment-pinned")


@post("/environments/{environment_id:uuid}/approve", guards=WRITE, sync_to_thread=True)
def approve_environment(
    request: WebRequest,
    environment_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Let the commit of a fork be deployed that the page showed, and no other."""
    head_sha = last_values(sent_fields(data)).get("head_sha", "")

    def change(service: EphemeralEnvironmentService) -> object:
        return service.approve(principal, environment_id, head_sha)

    return _changed(request, environment_id, session, settings, principal, change, "environment-approved")


def _verb(verb: str, told: str) -> HTTPRouteHandler:
    """Return the route of a button that takes nothing but the environment."""

    def act(
        request: WebRequest,
        environment_id: FromPath[UUID],
        session: OpenSession,
        settings: AppSettings,
        principal: Caller,
    ) -> Response[str] | Redirect:
        def change(service: EphemeralEnvironmentService) -> object:
            return getattr(service, verb)(principal, environment_id)

        return _changed(request, environment_id, session, settings, principal, change, told)

    act.__name__ = f"{verb}_environment"
    return post(f"/environments/{{environment_id:uuid}}/{verb}", guards=WRITE, sync_to_thread=True)(act)


unpin_environment = _verb("unpin", "environment-unpinned")
sleep_environment = _verb("sleep", "environment-sleeping")
wake_environment = _verb("wake", "environment-waking")
rebuild_environment = _verb("rebuild", "environment-rebuilding")


@get("/environments/{environment_id:uuid}/destroy", guards=WRITE, sync_to_thread=True)
def ask_to_destroy(
    request: WebRequest,
    environment_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Ask before an environment is destroyed."""
    service = EphemeralEnvironmentService(session, settings)
    environment = service.get(principal.tenant_id, environment_id)
    page = DestroyEnvironmentPage(service.read(environment))
    return renderer_of(request).respond(request, page)


@post("/environments/{environment_id:uuid}/destroy", guards=WRITE, sync_to_thread=True)
def destroy_environment(
    environment_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Ask for the environment to be gone."""
    EphemeralEnvironmentService(session, settings).destroy(principal, environment_id)
    return redirect(f"/environments/{environment_id}", "environment-destroying")


ROUTES = (
    list_environments,
    show_environment,
    follow_environment,
    extend_environment,
    approve_environment,
    pin_environment,
    unpin_environment,
    sleep_environment,
    wake_environment,
    rebuild_environment,
    ask_to_destroy,
    destroy_environment,
)
