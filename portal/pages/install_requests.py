"""The forms that ask for a plan: a new install, and an upgrade that shows only what is new about its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.examples import Example
from catalog.assets.inputs import HIDDEN
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersionRead, VersionState, VersionSummary
from catalog.assets.service import LATEST, AssetService
from catalog.errors import ConflictError, FieldError, InvalidInputError, SlipwayError
from catalog.installs.models import InstallPlan
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUpgrade, InstallRead
from catalog.overlays.fitting import Fitted
from catalog.overlays.service import OverlayService
from catalog.policies.models import ScopeKind
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.narrowed_form import hints_of
from portal.pages.presets import presets
from portal.pages.render import Page, redirect
from portal.pages.schema_drafts import Draft, Keeper, mistakes, news
from portal.pages.schema_form import Control, FormSource, build_form, element_id, split_form
from portal.pages.schema_input import read_form

WRITE = [requires("installs:write")]
LABELS = {
    "repository": "Repository",
    "branch": "Branch",
    "pull_request": "Pull request",
    "service": "Service",
    "stack": "Stack",
    "component": "Component",
    "level": "What a violation does",
    "applies_to": "What it holds for",
    "name": "Name",
    "owner": "Owner",
    "version": "Version",
}
_TARGETS = ("repository", "branch", "pull_request", "service", "level", "stack", "component")


@dataclass(frozen=True)
class InstallFormPage(Page):
    """The form of a new install or of an upgrade; ``kept`` are inputs that stay as they are, folded away."""

    template: ClassVar[str] = "installs/new.html"

    version: AssetVersionRead
    form: Control
    becomes: Sequence[str]
    versions: Sequence[tuple[str, str]]
    install: InstallRead | None = None
    kept: Control | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    services: Sequence[str] = ()

    examples: Sequence[Example] = ()
    example: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    fitted: Fitted = field(default_factory=lambda: Fitted("", "", {}, {}))
    sealed: str = ""
    news: str = ""

    scopes: ClassVar[Sequence[tuple[str, str]]] = (
        (ScopeKind.TENANT, "Everything in the tenant"),
        (ScopeKind.SERVICE, "One service"),
        (ScopeKind.ENVIRONMENT, "One environment"),
        (ScopeKind.ASSET, "One asset"),
    )
    levels: ClassVar[Sequence[tuple[str, str]]] = (
        ("advisory", "It is told, and stops nothing"),
        ("mandatory-with-override", "It stops until a person overrides it"),
        ("mandatory", "It stops"),
    )

    def cleared(self, inputs: Mapping[str, Any]) -> dict[str, None]:
        """Return what was given before and is empty now; a secret that is left empty stays as it is."""
        return {
            name: None
            for name, value in self.given.items()
            if name not in inputs and not _is_secret(value) and not _is_read_only(self.schema, name)
        }

    @property
    def schema(self) -> Mapping[str, Any]:
        """Return what the form asks for, under any condition."""
        return self.fitted.deciding_schema

    @property
    def misfit(self) -> str:
        """Say why nothing can be made of this version, "" where something can."""
        problem = self.fitted.problem
        return "" if problem is None else problem.detail

    @property
    def forms(self) -> tuple[Control, ...]:
        """Return what the page shows of the inputs: what is new, and what stays."""
        return (self.form,) if self.kept is None else (self.form, self.kept)

    @property
    def action(self) -> str:
        """Return where the form is sent."""
        return "/installs/plan" if self.install is None else f"/installs/{self.install.id}/upgrade"

    def example_href(self, example: str) -> str:
        """Return the address of the form that starts from an example."""
        asset = f"{self.version.namespace}/{self.version.name}"
        carried = {name: self.values[name] for name in ("repository", "service") if self.values.get(name)}
        query = {"asset": asset, "version": self.version.version, **carried, "example": example}
        return f"/installs/new?{urlencode(query)}"

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        places = {f"/{name}", f"/target/{name}"}
        return " ".join(each.detail for each in self.errors if each.pointer in places)

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [(*self._place(each.pointer), each.detail) for each in self.errors]

    def _place(self, pointer: str) -> tuple[str, str]:
        name = pointer.removeprefix("/").removeprefix("target/")
        if name in LABELS:
            return LABELS[name], element_id(name)
        labels = {**self.form.labels(), **(self.kept.labels() if self.kept else {})}
        while name and f"/{name}" not in labels:
            name = name.rpartition("/")[0]
        return labels.get(f"/{name}", ("", "")) if name else ("", "")


class _Forms:
    """Makes the pages from what the marketplace has, in one session."""

    def __init__(self, session: Session, settings: Settings, principal: Principal) -> None:
        self._assets = AssetService(session)
        self._installs = InstallService(session, settings)
        self._overlays = OverlayService(session)
        self._blobs = open_blobs(settings)
        self._tenant_id = principal.tenant_id

    def new(
        self,
        asset: str,
        wanted: str,
        values: Mapping[str, str],
        fields: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[FieldError] = (),
        example: str = "",
    ) -> InstallFormPage:
        """Return the form of a new install, prefilled by the example of that name where there is one."""
        namespace, _, name = asset.partition("/")
        version = self._assets.get_version(self._tenant_id, namespace, name, wanted or LATEST)
        fitted = self._overlays.over(self._tenant_id, version)
        examples = presets(self._assets, self._tenant_id, version, self._blobs)
        inputs = next((each.inputs for each in examples if each.name == example), None)
        source = FormSource(hints=hints_of(version, fitted), values=inputs, submitted=fields, errors=errors)
        effects = kinds()[version.kind].install(version.manifest)
        return InstallFormPage(
            version,
            build_form(fitted.deciding_schema, source),
            [str(each.becomes) for each in effects],
            _versions(self._assets.versions(self._tenant_id, namespace, name)),
            values={"version": version.version, **values},
            errors=errors,
            fitted=fitted,
            examples=examples,
            example="" if inputs is None else example,
        )

    def upgrade(
        self,
        install: InstallRead,
        wanted: str,
        fields: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> InstallFormPage:
        """Return the form of an upgrade: what is new or at fault in front, the rest prefilled and folded away."""
        namespace, _, name = install.asset.partition("/")
        version = self._assets.get_version(self._tenant_id, namespace, name, wanted or LATEST)
        number = install.applied_revision or install.desired_revision or 1
        content = self._installs.revision(self._tenant_id, install.id, number).content
        before = self._assets.get_version(self._tenant_id, namespace, name, content["version"])
        present = {name: HIDDEN if _is_secret(value) else value for name, value in content["inputs"].items()}
        fitted = self._overlays.over(self._tenant_id, version)
        source = FormSource(hints=hints_of(version, fitted), values=present, submitted=fields, errors=errors)
        known = self._overlays.over(self._tenant_id, before).deciding_schema
        fresh, kept = split_form(known, fitted.deciding_schema, source)
        return InstallFormPage(
            version,
            fresh,
            [install.becomes],
            _versions(self._assets.versions(self._tenant_id, namespace, name)),
            install,
            kept,
            {"version": version.version},
            errors,
            given=content["given"],
            fitted=fitted,
        )


@get("/installs/new", guards=WRITE, sync_to_thread=True)
def show_new_install(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    asset: Text = None,
    version: Text = None,
    repository: Text = None,
    service: Text = None,
    example: Text = None,
) -> Response[str] | Redirect:
    """Show the form for an asset; ``example`` is the preset that it starts from."""
    if not asset:
        return redirect("/assets")
    values = {name: text for name, text in {"repository": repository, "service": service}.items() if text}
    page = _Forms(session, settings, principal).new(asset, version or "", values, example=example or "")
    return renderer_of(request).respond(request, page)


@post("/installs/plan", guards=WRITE, sync_to_thread=True)
def plan_install(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Ask for the plan of a new install and show it; whatever is wrong with the form is shown in it."""
    fields = sent_fields(data)
    values = last_values(fields)
    forms = _Forms(session, settings, principal)
    asset, wanted = values.get("asset", ""), values.get("version", "")
    keeper = Keeper(settings, principal, asset)
    draft = keeper.read(fields)
    page = forms.new(asset, wanted, values, draft.fields)
    inputs, unread = read_form(page.schema, draft.fields)
    if draft.is_unfinished:
        found = (*unread, *_mistakes(page, draft, inputs))
        page = forms.new(asset, wanted, values, draft.fields, found)
        return renderer_of(request).respond(request, _carrying(page, keeper, draft, fields))
    asked, wrong = _asked(values, asset, wanted, inputs, page.becomes)
    errors: Sequence[FieldError] = (*wrong, *unread)
    status = 422
    if asked is not None and not errors:
        try:
            plan = InstallService(session, settings).plan_install(principal, asked)
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = _placed(error), error.status
        else:
            return redirect(f"/installs/plans/{plan.id}")
    page = _carrying(forms.new(asset, wanted, values, draft.fields, errors), keeper, draft)
    return renderer_of(request).respond(request, page, status_code=status)


@get("/installs/{install_id:uuid}/upgrade", guards=WRITE, sync_to_thread=True)
def show_upgrade(  # each is what the handler needs
    request: WebRequest,
    install_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    version: Text = None,
) -> Response[str]:
    """Show the form of an upgrade, prefilled."""
    install = InstallService(session, settings).get(principal.tenant_id, install_id)
    page = _Forms(session, settings, principal).upgrade(install, version or "")
    return renderer_of(request).respond(request, page)


@post("/installs/{install_id:uuid}/upgrade", guards=WRITE, sync_to_thread=True)
def plan_upgrade(  # each is what the handler needs
    request: WebRequest,
    install_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Ask for the plan of an upgrade and show it."""
    fields = sent_fields(data)
    wanted = last_values(fields).get("version", "")
    service = InstallService(session, settings)
    install = service.get(principal.tenant_id, install_id)
    forms = _Forms(session, settings, principal)
    keeper = Keeper(settings, principal, str(install_id))
    draft = keeper.read(fields)
    page = forms.upgrade(install, wanted, draft.fields)
    inputs, errors = read_form(page.schema, draft.fields)
    if draft.is_unfinished:
        page = forms.upgrade(install, wanted, draft.fields, (*errors, *_mistakes(page, draft, inputs)))
        return renderer_of(request).respond(request, _carrying(page, keeper, draft, fields))
    status = 422
    if not errors:
        try:
            plan: InstallPlan = service.plan_upgrade(
                principal,
                install_id,
                AskUpgrade(version=page.version.version, inputs={**page.cleared(inputs), **inputs}),
            )
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = tuple(_placed(error)), error.status
        else:
            return redirect(f"/installs/plans/{plan.id}")
    present = service.get(principal.tenant_id, install_id)
    shown = _carrying(forms.upgrade(present, wanted, draft.fields, errors), keeper, draft)
    return renderer_of(request).respond(request, shown, status_code=status)


def _mistakes(page: InstallFormPage, draft: Draft, inputs: Mapping[str, Any]) -> list[FieldError]:
    """Return what is wrong with what is filled in so far."""
    found = [
        error for form in page.forms for error in mistakes(form, draft.fields, lambda: page.fitted.complete(inputs))
    ]
    return list(dict.fromkeys(found))


def _carrying(
    page: InstallFormPage, keeper: Keeper, draft: Draft, before: Mapping[str, Sequence[str]] | None = None
) -> InstallFormPage:
    """Return the page with what it does not show, and with what is new on it since it was sent."""
    told = "" if before is None else news(before, page.errors, *page.forms)
    return replace(page, sealed=keeper.keep(draft.fields, *page.forms), news=told)


def _is_read_only(schema: Mapping[str, Any], name: str) -> bool:
    part = schema.get("properties", {}).get(name)
    return isinstance(part, Mapping) and part.get("readOnly") is True


def _asked(
    values: Mapping[str, str], asset: str, version: str, inputs: Mapping[str, Any], becomes: Sequence[str]
) -> tuple[AskInstall | None, Sequence[FieldError]]:
    target: dict[str, Any] = {name: text for name in _TARGETS if (text := values.get(name, "").strip())}
    if "policy-binding" in becomes:
        kind = values.get("scope", "") or str(ScopeKind.TENANT)
        target["applies_to"] = {"kind": kind, "name": values.get("scope_name", "").strip()}
    body: dict[str, Any] = {
        "asset": asset + (f"=={version}" if version else ""),
        "target": target,
        "inputs": inputs,
        "owner": values.get("owner", "").strip(),
        "name": values.get("name", "").strip() or None,
    }
    try:
        return AskInstall.model_validate(body), ()
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        return None, [FieldError("/" + "/".join(map(str, each["loc"])), f"{each['msg']}.") for each in errors]


def _placed(error: SlipwayError) -> Sequence[FieldError]:
    return error.errors or (FieldError("", error.detail),)


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"$secret"}


def _versions(versions: Sequence[VersionSummary]) -> list[tuple[str, str]]:
    usable = {VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED}
    return [
        (each.version, each.version if each.state is VersionState.PUBLISHED else f"{each.version}, {each.state}")
        for each in versions
        if each.state in usable
    ]


ROUTES = (show_new_install, plan_install, show_upgrade, plan_upgrade)
