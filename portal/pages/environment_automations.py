"""The page of what begins by itself: repositories whose pull requests get environments without a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from catalog.assets.durations import parse_duration
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.environments.automations import AutomationRead
from catalog.environments.service import EnvironmentAutomation
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages import automation_form
from portal.pages.automation_form import ADDRESS
from portal.pages.environment_choices import LIFETIMES
from portal.pages.forms import renderer_of
from portal.pages.render import Page, redirect
from portal.pages.reviewed_inputs import NO_REVIEW, InputReview, ReviewedInput


@dataclass(frozen=True)
class AutomationsPage(Page):
    """What begins by itself, with which inputs, and what became of each pull request."""

    template: ClassVar[str] = "environments/automations.html"

    automations: Sequence[AutomationRead]
    may_change: bool
    reviews: Mapping[str, InputReview] = field(default_factory=dict)

    def inputs_of(self, automation: AutomationRead) -> Sequence[ReviewedInput]:
        """Return an automation's inputs as the hints of its blueprint want them looked at."""
        return self.reviews.get(automation.blueprint, NO_REVIEW).of_all(automation.inputs)

    def asset_of(self, automation: AutomationRead) -> str:
        """Return the blueprint's namespace and name, without the versions that it may have."""
        wanted = parse_reference(automation.blueprint, "/blueprint")
        return f"{wanted.namespace}/{wanted.name}"

    def lifetime(self, automation: AutomationRead) -> str:
        """Say how long each of its environments lives, "" where the blueprint says it."""
        if automation.ttl is None:
            return ""
        hours = parse_duration(automation.ttl).total_seconds() / 3600
        return dict(LIFETIMES).get(automation.ttl, f"{hours:g} hours")


@get(ADDRESS, guards=[requires("environments:read")], sync_to_thread=True)
def show_automations(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Show what begins by itself."""
    found = EnvironmentAutomation(session, settings).all(principal.tenant_id)
    assets = AssetService(session)
    reviews = {
        each: InputReview.of_reference(assets, principal.tenant_id, each) for each in {one.blueprint for one in found}
    }
    page = AutomationsPage(found, principal.may("environments:write"), reviews)
    return renderer_of(request).respond(request, page)


@post(f"{ADDRESS}/{{automation_id:uuid}}/end", guards=[requires("environments:write")], sync_to_thread=True)
def end_automation(
    automation_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Let nothing more begin by itself in a repository."""
    EnvironmentAutomation(session, settings).end(principal, automation_id)
    return redirect(ADDRESS, "environments-not-automated")


ROUTES = (show_automations, *automation_form.ROUTES, end_automation)
