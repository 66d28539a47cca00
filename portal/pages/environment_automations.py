"""The page of what begins by itself: repositories whose pull requests get environments without a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.assets.references import parse_reference
from catalog.environments.models import AutomateEnvironments, AutomationRead
from catalog.environments.service import EnvironmentAutomation
from catalog.errors import FieldError, InvalidInputError
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

ADDRESS = "/environments/automations"
LABELS = {"repository": "Repository", "blueprint": "Blueprint", "label": "Label"}
FIXES = {"repository": "Name a repository.", "blueprint": "Name a blueprint, such as slipway/preview-web."}


@dataclass(frozen=True)
class AutomationsPage(Page):
    """What begins by itself, what became of each pull request, and a form for one more repository."""

    template: ClassVar[str] = "environments/automations.html"

    automations: Sequence[AutomationRead]
    may_change: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        names = [each.pointer.strip("/").partition("/")[0] for each in self.errors]
        return [
            (LABELS.get(name, "Inputs"), f"field-{name}" if name in LABELS else "", each.detail)
            for name, each in zip(names, self.errors, strict=True)
        ]

    def asset_of(self, automation: AutomationRead) -> str:
        """Return the blueprint's namespace and name, without the versions that it may have."""
        wanted = parse_reference(automation.blueprint, "/blueprint")
        return f"{wanted.namespace}/{wanted.name}"

    def error(self, name: str) -> str:
        """Return what is wrong with a field, empty where nothing is."""
        return next((each.detail for each in self.errors if each.pointer.startswith(f"/{name}")), "")


@get(ADDRESS, guards=[requires("environments:read")], sync_to_thread=True)
def show_automations(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show what begins by itself."""
    found = EnvironmentAutomation(session, settings).all(principal.tenant_id)
    page = AutomationsPage(found, principal.may("environments:write"))
    return renderer_of(request).respond(request, page)


@post(ADDRESS, guards=[requires("environments:write")], sync_to_thread=True)
def automate(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Let environments of one more repository begin by themselves, or say what is wrong."""
    sent = {name: value.strip() for name, value in last_values(sent_fields(data)).items()}
    labels = [each.strip() for each in sent.get("label", "").split(",") if each.strip()]
    errors: Sequence[FieldError]
    try:
        asked = AutomateEnvironments(
            repository=sent.get("repository", ""), blueprint=sent.get("blueprint", ""), labels=labels
        )
        EnvironmentAutomation(session, settings).automate(principal, asked)
    except ValidationError as refused:
        wrong = [str(each["loc"][0]) for each in refused.errors(include_url=False)]
        errors = [FieldError(f"/{each}", FIXES.get(each, "This is not valid.")) for each in wrong]
    except InvalidInputError as error:
        session.rollback()
        errors = error.errors or [FieldError("/blueprint", error.detail)]
    else:
        return redirect(ADDRESS, "environments-automated")
    found = EnvironmentAutomation(session, settings).all(principal.tenant_id)
    page = AutomationsPage(found, may_change=True, values=sent, errors=errors)
    return renderer_of(request).respond(request, page, status_code=422)


@post(f"{ADDRESS}/{{automation_id:uuid}}/end", guards=[requires("environments:write")], sync_to_thread=True)
def end_automation(
    automation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Let nothing more begin by itself in a repository."""
    EnvironmentAutomation(session, settings).end(principal, automation_id)
    return redirect(ADDRESS, "environments-not-automated")


ROUTES = (show_automations, automate, end_automation)
