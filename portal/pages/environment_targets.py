"""The page of where a tenant's environments run: the targets there are, the tenant's choice, and whose word counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from litestar import Response, get, post
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.environments.places import ChooseTarget, Says, TargetsRead, Word
from catalog.environments.service import EnvironmentTargets
from catalog.errors import FieldError, InvalidInputError
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

ADDRESS = "/environments/target"
WHO: Mapping[Says, tuple[str, str]] = {
    Says.REQUEST: ("The request", "Whoever asks for an environment may name a target."),
    Says.ENVIRONMENT: ("The environment", "What is there already stays where it runs."),
    Says.AUTOMATION: ("What begins by itself", "A repository's own target, for those that nobody asks for."),
    Says.TENANT: ("Your tenant", "The choice of an administrator, on this page."),
    Says.OPERATOR: ("The operator", "What is set for your tenant at this installation."),
    Says.INSTALLATION: ("The installation", "The first of its targets that the blueprint goes to."),
}
SERVERS = {"postgres": "PostgreSQL", "redis": "Redis", "objects": "object storage"}


@dataclass(frozen=True)
class TargetsPage(Page):
    """What there is, what was chosen, and for administrators the form that chooses."""

    template: ClassVar[str] = "environments/target.html"

    targets: TargetsRead
    may_choose: bool
    wanted: str = ""
    errors: Sequence[FieldError] = ()

    @property
    def choices(self) -> list[tuple[str, str, str]]:
        """Return value, title and meaning of everything that can be chosen; "" takes the choice back."""
        named = [(each.name, each.title, f"The target {each.name}") for each in self.targets.offered]
        return [("", "No choice of ours", "As the operator or the installation says"), *named]

    @property
    def words(self) -> list[tuple[str, str, Word, bool]]:
        """Return who has a say, what that is about, what they say, and whether it decides; the strongest first."""
        placement = self.targets.placement
        return [(*WHO[each.by], each, each.by is placement.by) for each in placement.words]

    def servers(self, names: Sequence[str]) -> str:
        """Return the servers that a target has behind services, in words."""
        return ", ".join(SERVERS.get(each, each) for each in names)

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [("Target", "field-target", each.detail) for each in self.errors]


@get(ADDRESS, guards=[requires("environments:read")], sync_to_thread=True)
def show_target(request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller) -> Response[str]:
    """Show where environments run."""
    found = EnvironmentTargets(session, settings).read(principal.tenant_id)
    page = TargetsPage(found, principal.may("environments:admin"), found.target or "")
    return renderer_of(request).respond(request, page)


@post(ADDRESS, guards=[requires("environments:admin")], sync_to_thread=True)
def choose_target(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Let new environments go elsewhere, or say why that cannot be."""
    values = last_values(sent_fields(data))
    wanted = values.get("target", "")
    service = EnvironmentTargets(session, settings)
    try:
        # Nothing that was chosen is not the choice of nothing.
        service.choose(principal, ChooseTarget.model_validate({"target": wanted} if "target" in values else {}))
    except (ValidationError, InvalidInputError) as error:
        session.rollback()
        detail = error.detail if isinstance(error, InvalidInputError) else "Choose one of the targets."
        found = service.read(principal.tenant_id)
        page = TargetsPage(found, may_choose=True, wanted=wanted, errors=[FieldError("/target", detail)])
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect(ADDRESS, "environment-target-chosen" if wanted else "environment-target-reset")


ROUTES = (show_target, choose_target)
