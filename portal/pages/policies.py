"""The pages of policies: what is in force for whom, waivers and overrides, and the form that binds a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import BaseModel, ValidationError
from sqlmodel import Session

from catalog.assets.models import AssetRead, SearchQuery
from catalog.assets.service import AssetService
from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.gates import PolicyDesk
from catalog.gating import GatePoint, Level
from catalog.policies.models import Mode, ScopeKind
from catalog.policies.shapes import BindingRead, CreateBinding, CreateWaiver, Effective, OverrideRead, WaiverRead
from catalog.refusals import sentence
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

READ = [requires("policies:read")]
WRITE = [requires("policies:write")]
LEVELS = (
    (str(Level.MANDATORY), "Mandatory: it stops"),
    (str(Level.OVERRIDABLE), "Mandatory with override: it stops unless a person overrides it on record"),
    (str(Level.ADVISORY), "Advisory: it is told"),
)
SCOPES = (
    (str(ScopeKind.TENANT), "Everything of this tenant"),
    (str(ScopeKind.SERVICE), "Services"),
    (str(ScopeKind.ENVIRONMENT), "Environments"),
    (str(ScopeKind.ASSET), "Assets"),
)
POINTS = (("", "Every gate"), *((str(each), str(each).replace("_", " ").capitalize()) for each in GatePoint))
STAGINGS = (
    ("", "At once"),
    ("shadow", "Watch only (shadow)"),
    ("staged", "Watch for a week, advise for a week, then enforce"),
    ("tenth", "For a tenth of the subjects at once, for all in two weeks"),
)
FIELDS = {
    "bundle": "Bundle",
    "level": "Level",
    "scope_kind": "For",
    "scope_name": "Name",
    "labels": "Labels",
    "rule": "Rule",
    "source": "Policy",
    "input": "Input",
    "reason": "Reason",
    "owner": "Owner",
    "expires_at": "Until",
}
PLACES = {"scope": "scope_kind"}


@dataclass(frozen=True)
class FormPage(FormErrors, Page):
    """The base of pages with a form: what was sent, and what is wrong with it."""

    labels: ClassVar[Mapping[str, str]] = FIELDS

    values: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    errors: Sequence[FieldError] = field(default=(), kw_only=True)

    def value(self, name: str, default: str = "") -> str:
        """Return what a field shows."""
        return self.values.get(name, default)

    @staticmethod
    def field_of(error: FieldError) -> str:
        """Return the name of the field that an error is about."""
        name = FormErrors.field_of(error)
        return PLACES.get(name, name)


@dataclass(frozen=True)
class PoliciesPage(FormPage):
    """The bundles that are bound, and for a service or an asset what they come to."""

    template: ClassVar[str] = "policies/index.html"

    bindings: Sequence[BindingRead]
    effective: Effective | None
    service: str
    asset: str
    may_bind: bool
    services: Sequence[str] = ()
    problem: str = ""


@dataclass(frozen=True)
class BindPage(FormPage):
    """The form that lets a bundle count."""

    template: ClassVar[str] = "policies/bind.html"

    bundles: Sequence[AssetRead]
    levels: Sequence[tuple[str, str]] = LEVELS
    scopes: Sequence[tuple[str, str]] = SCOPES
    points: Sequence[tuple[str, str]] = POINTS
    stagings: Sequence[tuple[str, str]] = STAGINGS

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return the bundles that there are, as options."""
        return bundle_options(self.bundles)


@dataclass(frozen=True)
class ExemptionsPage(FormPage):
    """Waivers and overrides, with those that have ended."""

    template: ClassVar[str] = "policies/exemptions.html"

    waivers: Sequence[WaiverRead]
    overrides: Sequence[OverrideRead]
    may_waive: bool
    scopes: Sequence[tuple[str, str]] = SCOPES
    moment: datetime = field(default_factory=now)

    def holds(self, exemption: WaiverRead | OverrideRead) -> bool:
        """Tell whether it still counts."""
        ended = getattr(exemption, "ended_at", None)
        return ended is None and exemption.expires_at > self.moment


@get("/policies", guards=READ, sync_to_thread=True)
def show_policies(
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    service: Text = None,
    asset: Text = None,
) -> Response[str]:
    """Show what is bound, and what it comes to for a service or an asset."""
    desk = PolicyDesk(session, settings)
    effective, problem = None, ""
    if service or asset:
        try:
            effective = desk.effective_for(principal, (service or "").strip(), (asset or "").strip(), None)
        except NotFoundError as error:
            problem = error.detail
    page = PoliciesPage(
        bindings=desk.policies.bindings(principal.tenant_id),
        effective=effective,
        service=service or "",
        asset=asset or "",
        may_bind=principal.may("policies:write"),
        services=desk.services(principal.tenant_id),
        problem=problem,
    )
    return renderer_of(request).respond(request, page)


@get("/policies/bind", guards=WRITE, sync_to_thread=True)
def show_bind(request: WebRequest, session: OpenSession, principal: Caller, bundle: Text = None) -> Response[str]:
    """Show the form that lets a bundle count."""
    page = BindPage(bundles=_bundles(session, principal), values={"bundle": bundle or ""})
    return renderer_of(request).respond(request, page)


@post("/policies/bind", guards=WRITE, sync_to_thread=True)
def bind(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Let a bundle count, or say in the form why it cannot."""
    values = last_values(sent_fields(data))
    body = {
        "bundle": values.get("bundle", ""),
        "level": values.get("level", ""),
        "scope": scope_of(values),
        "points": [values["point"]] if values.get("point") else [],
        "stages": _stages(values.get("staging", "")),
        "reason": values.get("reason", ""),
    }
    asked, errors = read_body(CreateBinding, body)
    if isinstance(asked, CreateBinding):
        try:
            PolicyDesk(session, settings).policies.bind(principal, asked)
        except InvalidInputError as error:
            session.rollback()
            errors = error.errors
        else:
            return redirect("/policies", "policy-bound")
    page = BindPage(bundles=_bundles(session, principal), values=values, errors=errors)
    return renderer_of(request).respond(request, page, status_code=422)


@post("/policies/bindings/{binding_id:uuid}/end", guards=WRITE, sync_to_thread=True)
def end_binding(binding_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Let a bundle no longer count."""
    PolicyDesk(session, settings).policies.unbind(principal, binding_id)
    return redirect("/policies", "policy-unbound")


@get("/policies/exemptions", guards=READ, sync_to_thread=True)
def show_exemptions(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, rule: Text = None
) -> Response[str]:
    """Show waivers and overrides; ``rule`` fills in the form."""
    page = _exemptions(session, settings, principal, {"rule": rule or ""}, ())
    return renderer_of(request).respond(request, page)


@post("/policies/exemptions", guards=WRITE, sync_to_thread=True)
def waive(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Waive a rule, or say in the form why it cannot be."""
    values = last_values(sent_fields(data))
    names = ("rule", "reason", "owner")
    body: dict[str, Any] = {name: values.get(name, "").strip() for name in names}
    body["scope"] = scope_of(values)
    body |= {"bundle": values.get("bundle", "").strip() or None, "expires_at": end_of_day(values.get("expires_at", ""))}
    asked, errors = read_body(CreateWaiver, body)
    if isinstance(asked, CreateWaiver):
        try:
            PolicyDesk(session, settings).policies.waive(principal, asked)
        except InvalidInputError as error:
            session.rollback()
            errors = error.errors
        else:
            return redirect("/policies/exemptions", "rule-waived")
    page = _exemptions(session, settings, principal, values, errors)
    return renderer_of(request).respond(request, page, status_code=422)


@post("/policies/waivers/{waiver_id:uuid}/end", guards=WRITE, sync_to_thread=True)
def end_waiver(waiver_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Take a waiver back."""
    PolicyDesk(session, settings).policies.end_waiver(principal, waiver_id)
    return redirect("/policies/exemptions", "waiver-ended")


def read_body(shape: type[BaseModel], body: Mapping[str, Any]) -> tuple[BaseModel | None, Sequence[FieldError]]:
    """Return what a form asks for, or every field that keeps it from being asked."""
    try:
        return shape.model_validate(body), ()
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        return None, [FieldError("/" + "/".join(map(str, each["loc"])), sentence(each)) for each in errors]


def bundle_options(bundles: Sequence[AssetRead]) -> list[tuple[str, str]]:
    """Return bundles as the options of a select field, after one that chooses none."""
    named = [(f"{each.namespace}/{each.name}", f"{each.display_name} {each.latest_version}") for each in bundles]
    return [("", "Choose a bundle"), *named]


def scope_of(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the scope that the fields of a form describe; labels are ``NAME=VALUE``, separated by commas."""
    kind = values.get("scope_kind") or str(ScopeKind.TENANT)
    pairs = [part.partition("=") for part in values.get("labels", "").replace("\n", ",").split(",") if part.strip()]
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    return {"kind": kind, "name": values.get("scope_name", "").strip(), "labels": labels}


def end_of_day(text: str) -> str | None:
    """Return the end of a day that a date field names, None where it names none."""
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError:
        return None
    return datetime.combine(day, time(23, 59, 59), UTC).isoformat()


def _stages(staging: str) -> list[dict[str, Any]]:
    at = now()
    week = timedelta(days=7)
    plans: dict[str, list[tuple[Mode, timedelta, int]]] = {
        "shadow": [(Mode.SHADOW, timedelta(0), 100)],
        "staged": [(Mode.SHADOW, timedelta(0), 100), (Mode.ADVISORY, week, 100), (Mode.ENFORCED, 2 * week, 100)],
        "tenth": [
            (Mode.SHADOW, timedelta(0), 100),
            (Mode.ENFORCED, timedelta(seconds=1), 10),
            (Mode.ENFORCED, 2 * week, 100),
        ],
    }
    return [
        {"mode": str(mode), "starts_at": (at + after).isoformat(), "share": share}
        for mode, after, share in plans.get(staging, [])
    ]


def _bundles(session: Session, principal: Principal) -> Sequence[AssetRead]:
    return AssetService(session).search(principal.tenant_id, SearchQuery(kind="policy-bundle", limit=100)).items


def _exemptions(
    session: Session,
    settings: Settings,
    principal: Principal,
    values: Mapping[str, str],
    errors: Sequence[FieldError],
) -> ExemptionsPage:
    policies = PolicyDesk(session, settings).policies
    return ExemptionsPage(
        waivers=policies.waivers(principal.tenant_id),
        overrides=policies.overrides(principal.tenant_id),
        may_waive=principal.may("policies:write"),
        values=values,
        errors=errors,
    )


ROUTES = (show_policies, show_bind, bind, end_binding, show_exemptions, waive, end_waiver)
