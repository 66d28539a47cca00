"""The forms that ask for a plan: a new install, and an upgrade that shows only what is new about its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError

from catalog.errors import ConflictError, FieldError, InvalidInputError, SlipwayError
from catalog.installs.models import InstallPlan
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskInstall, AskUpgrade
from catalog.policies.models import ScopeKind
from catalog.refusals import sentence
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.install_form import PIN, STACK, InstallFormPage, InstallForms
from portal.pages.render import redirect
from portal.pages.schema_drafts import Draft, Keeper, mistakes, news
from portal.pages.schema_input import read_form

WRITE = [requires("installs:write")]
_TARGETS = ("repository", "branch", "pull_request", "service", "level", "stack", "component")


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
    page = InstallForms(session, settings, principal).new(asset, version or "", values, example=example or "")
    return renderer_of(request).respond(request, page)


@post("/installs/plan", guards=WRITE, sync_to_thread=True)
def plan_install(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Ask for the plan of a new install and show it; whatever is wrong with the form is shown in it."""
    fields = sent_fields(data)
    values = last_values(fields)
    forms = InstallForms(session, settings, principal)
    asset, wanted = values.get("asset", ""), values.get("version", "")
    keeper = Keeper(settings, principal, asset)
    draft = keeper.read(fields)
    page = forms.new(asset, wanted, values, draft.fields)
    inputs, unread = read_form(page.schema, draft.fields)
    if draft.is_unfinished:
        found = (*unread, *_mistakes(page, draft, inputs))
        page = forms.new(asset, wanted, values, draft.fields, found)
        return renderer_of(request).respond(request, _carrying(page, keeper, draft, fields))
    asked, wrong = _asked(values, asset, wanted, inputs, page)
    errors: Sequence[FieldError] = (*wrong, *unread)
    status = 422
    if asked is not None and not errors:
        try:
            plan = InstallService(session, settings).plan_install(principal, asked)
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = _with_inputs(page, inputs, _placed(error)), error.status
        else:
            return redirect(f"/installs/plans/{plan.id}")
    elif not unread:
        errors = _with_inputs(page, inputs, errors)
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
    example: Text = None,
) -> Response[str]:
    """Show the form of an upgrade, prefilled; ``example`` is the preset whose inputs go before."""
    install = InstallService(session, settings).get(principal.tenant_id, install_id)
    page = InstallForms(session, settings, principal).upgrade(install, version or "", example=example or "")
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
    sent = last_values(fields)
    wanted, example = sent.get("version", ""), sent.get("example", "")
    service = InstallService(session, settings)
    install = service.get(principal.tenant_id, install_id)
    forms = InstallForms(session, settings, principal)
    keeper = Keeper(settings, principal, str(install_id))
    draft = keeper.read(fields)
    page = forms.upgrade(install, wanted, draft, example=example)
    inputs, errors = read_form(page.schema, draft.fields)
    if draft.is_unfinished:
        found = (*errors, *_mistakes(page, draft, inputs))
        page = forms.upgrade(install, wanted, draft, found, example)
        return renderer_of(request).respond(request, _carrying(page, keeper, draft, fields))
    status = 422
    if not errors:
        try:
            plan: InstallPlan = service.plan_upgrade(
                principal,
                install_id,
                AskUpgrade(version=page.version.version, inputs=page.changes(inputs)),
            )
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors, status = tuple(_placed(error)), error.status
        else:
            return redirect(f"/installs/plans/{plan.id}")
    present = service.get(principal.tenant_id, install_id)
    shown = _carrying(forms.upgrade(present, wanted, draft, errors, example), keeper, draft)
    return renderer_of(request).respond(request, shown, status_code=status)


def _with_inputs(
    page: InstallFormPage, inputs: Mapping[str, Any], errors: Sequence[FieldError]
) -> Sequence[FieldError]:
    """Return errors with those of the inputs that were not looked at, because something else was wrong first."""
    if not page.form.children:
        return errors
    try:
        page.fitted.complete(inputs)
    except InvalidInputError as error:
        return [*errors, *(each for each in error.errors if each not in errors)]
    return errors


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


def _asked(
    values: Mapping[str, str], asset: str, version: str, inputs: Mapping[str, Any], page: InstallFormPage
) -> tuple[AskInstall | None, Sequence[FieldError]]:
    target: dict[str, Any] = {name: text for name in _TARGETS if (text := values.get(name, "").strip())}
    missing: list[FieldError] = []
    if page.way == PIN:
        target = {name: text for name, text in target.items() if name not in {"stack", "component"}}
    elif page.way == STACK:
        missing += [] if "stack" in target else [FieldError("/target/stack", "Give the stack a name.")]
        if page.components and target.get("component") not in page.components:
            missing.append(FieldError("/target/component", "Choose one of the package's components."))
    if "policy-binding" in page.becomes:
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
        return (None, missing) if missing else (AskInstall.model_validate(body), ())
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        wrong = [FieldError("/" + "/".join(map(str, each["loc"])), sentence(each)) for each in errors]
        return None, [*missing, *wrong]


def _placed(error: SlipwayError) -> Sequence[FieldError]:
    return error.errors or (FieldError("", error.detail),)


ROUTES = (show_new_install, plan_install, show_upgrade, plan_upgrade)
