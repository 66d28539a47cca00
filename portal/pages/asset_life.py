"""The pages on which a version changes its state: who is affected stands before the button."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.life import MEANINGS, allow, find_move
from catalog.assets.models import Affected, AssetVersionRead, ChangeVersionState
from catalog.assets.service import AssetService
from catalog.errors import ForbiddenError, InvalidInputError, NotFoundError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.affected import affected_by
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

VERBS: Mapping[str, tuple[str, str]] = {
    "deprecate": ("Deprecate", "triangle-alert"),
    "retire": ("Archive", "archive"),
    "yank": ("Yank", "circle-minus"),
    "quarantine": ("Quarantine", "octagon-alert"),
    "revoke": ("Revoke", "ban"),
    "restore": ("Restore", "rotate-ccw"),
}
WRITE = [requires("assets:write")]


@dataclass(frozen=True)
class LifePage(Page):
    """The question before one step in the life of a version; ``errors`` are texts by field."""

    template: ClassVar[str] = "assets/life.html"
    fragments: ClassVar[Mapping[str, str]] = {"asset-affected": "assets/_affected.html"}

    version: AssetVersionRead
    verb: str
    affected: Affected
    meaning: str
    running: str
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.version.namespace}/{self.version.name}"

    @property
    def title(self) -> str:
        """Return what the button says."""
        return VERBS[self.verb][0]

    @property
    def symbol(self) -> str:
        """Return the button's icon."""
        return VERBS[self.verb][1]

    @property
    def is_welcome(self) -> bool:
        """Tell whether the step gives something back instead of taking it away."""
        return self.verb == "restore"


def _page(
    session: Session,
    settings: Settings,
    principal: Principal,
    wanted: tuple[str, str, str],
    verb: str,
    values: Mapping[str, str],
) -> LifePage:
    if verb not in VERBS:
        raise NotFoundError(f"A version has no step {verb[:40]}.")
    service = AssetService(session)
    version = service.get_version(principal.tenant_id, *wanted)
    if not version.owned:
        raise ForbiddenError(f"{version.namespace}/{version.name} belongs to another publisher.")
    move = find_move(verb, version.state)
    allow(principal, move)
    meaning = MEANINGS[service.state_after(principal.tenant_id, version, verb)]
    affected = affected_by(session, settings, principal, (version.namespace, version.name), version.version)
    return LifePage(version, verb, affected, meaning.summary, meaning.running.value, values)


@get("/assets/{namespace:str}/{name:str}/versions/{version:str}/{verb:str}", guards=WRITE, sync_to_thread=True)
def ask_to_move(  # noqa: PLR0913, PLR0917  # four come from the address
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    verb: FromPath[str],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Say what a step means and who is affected, and ask for the reason."""
    return renderer_of(request).respond(
        request, _page(session, settings, principal, (namespace, name, version), verb, {})
    )


@post("/assets/{namespace:str}/{name:str}/versions/{version:str}/{verb:str}", guards=WRITE, sync_to_thread=True)
def move_version(  # noqa: PLR0913, PLR0917  # four come from the address
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    verb: FromPath[str],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Take the step, or show the form again with what is wrong in it."""
    values = last_values(sent_fields(data))
    page = _page(session, settings, principal, (namespace, name, version), verb, values)
    wanted = {key: text for key in ("reason", "replacement", "end_of_life", "link") if (text := values.get(key, ""))}
    errors: dict[str, str] = {}
    try:
        change = ChangeVersionState.model_validate(wanted)
        getattr(AssetService(session), verb)(principal, namespace, name, page.version.version, change)
    except ValidationError as error:
        texts = {"reason": "Say why; everybody who uses the version reads it.", "end_of_life": "Write a day."}
        fallback = "This cannot be used here."
        errors = {str(each["loc"][0]): texts.get(str(each["loc"][0]), fallback) for each in error.errors()}
    except InvalidInputError as error:
        errors = {each.pointer.strip("/"): each.detail for each in error.errors} or {"reason": error.detail}
    if errors:
        session.rollback()
        shown = LifePage(page.version, verb, page.affected, page.meaning, page.running, values, errors)
        return renderer_of(request).respond(request, shown, status_code=422)
    return redirect(f"/assets/{page.path}?version={page.version.version}", "version-state-changed")


ROUTES = (ask_to_move, move_version)
