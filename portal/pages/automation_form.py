"""The form with which pull requests of a repository get environments by themselves: a blueprint, then its inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.errors import InvalidConstraintError, VersionNotSelectableError
from catalog.assets.models import AssetRead
from catalog.assets.references import parse_reference
from catalog.environments.automations import AutomateEnvironments, AutomationRead
from catalog.environments.service import EnvironmentAutomation
from catalog.environments.withholding import unmarked
from catalog.errors import FieldError, InvalidInputError, NotFoundError
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.chosen_blueprint import Chosen, choose, makers_of_environments
from portal.pages.environment_choices import LIFETIMES, lifetimes, targets
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.narrowed_form import hints_of, schema_of
from portal.pages.option_sources import OptionSources
from portal.pages.render import Page, redirect
from portal.pages.schema_controls import Control, element_id
from portal.pages.schema_drafts import Keeper, forgotten_pointers, mistakes, news
from portal.pages.schema_form import FormSource, build_form
from portal.pages.schema_input import read_form
from portal.pages.schema_shape import Submitted

ADDRESS = "/environments/automations"
WRITE = [requires("environments:write")]
LABELS = {
    "repository": "Repository",
    "labels": "Labels",
    "ttl": "Destroy each after",
    "target": "Where they run",
    "version": "Version of the blueprint",
}
FIXES = {
    "repository": "Name the repository: its path or its address.",
    "labels": "Name at most 20 labels.",
    "target": "Choose one of the targets.",
}


@dataclass(frozen=True)
class AutomationFormPage(Page):
    """The form for one repository; without a blueprint the choice of one. ``replaces``: what begins there already."""

    template: ClassVar[str] = "environments/automation_new.html"

    blueprint: AssetRead | None
    blueprints: Sequence[AssetRead]
    form: Control
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    reading: str = ""
    lifetimes: Sequence[tuple[str, str]] = LIFETIMES
    targets: Sequence[tuple[str, str]] = ()
    problem: str = ""
    kept: str = ""
    news: str = ""
    replaces: bool = False

    def choose_href(self, blueprint: AssetRead) -> str:
        """Return the address of the form for a blueprint, with what was given before."""
        given = {name: text for name, text in self.values.items() if name in {"repository", "labels", "ttl", "target"}}
        return f"{ADDRESS}/new?{urlencode({'blueprint': f'{blueprint.namespace}/{blueprint.name}', **given})}"

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def target_options(self) -> list[tuple[str, str]]:
        """Return the targets to choose from, with the one that was chosen although it is not offered any more."""
        wanted = self.value("target")
        options = list(self.targets) or [("", "Where environments go here")]
        is_gone = wanted and wanted not in dict(options)
        return [*options, (wanted, f"{wanted}, which is not offered now")] if is_gone else options

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [(*self._place(each.pointer), each.detail) for each in self.errors]

    def _place(self, pointer: str) -> tuple[str, str]:
        name = pointer.removeprefix("/")
        if name in LABELS:
            return LABELS[name], element_id(name)
        labels = self.form.labels()
        # An error inside an array or a mapping belongs to the control that holds all of it.
        while name and f"/{name}" not in labels:
            name = name.rpartition("/")[0]
        return labels[f"/{name}"] if name else ("", "")


@get(f"{ADDRESS}/new", guards=WRITE, sync_to_thread=True)
def show_automation_form(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    blueprint: Text = None,
    repository: Text = None,
    labels: Text = None,
    ttl: Text = None,
    target: Text = None,
    again: Annotated[UUID | None, QueryParameter(name="from", required=False)] = None,
) -> Response[str]:
    """Show the blueprints, or the form for one of them; ``from`` fills it in as an automation is now."""
    given = {"repository": repository, "labels": labels, "ttl": ttl, "target": target}
    values = {name: text for name, text in given.items() if text}
    inputs: Mapping[str, Any] | None = None
    present = None if again is None else _found(session, settings, principal, again)
    if present is not None:
        wanted = parse_reference(present.blueprint, "/blueprint")
        blueprint, inputs = f"{wanted.namespace}/{wanted.name}", present.inputs
        version = present.blueprint.removeprefix(blueprint)
        said = {
            "repository": present.repository,
            "labels": ", ".join(present.labels),
            "ttl": present.ttl or "",
            "target": present.target or "",
        }
        values = {**said, "version": version, **values}
    if not blueprint:
        return renderer_of(request).respond(request, _choice(session, principal, values))
    try:
        chosen = choose(session, principal.tenant_id, blueprint, values.get("version", ""))
    except (NotFoundError, InvalidConstraintError, VersionNotSelectableError) as error:
        return renderer_of(request).respond(request, _choice(session, principal, values, error.detail))
    shown = None if inputs is None else unmarked(chosen.version.input_schema or {}, inputs)
    source = _source(session, settings, principal, chosen, values=shown)
    made = _page(session, settings, principal, chosen, source)
    page = replace(made, values=values, replaces=present is not None)
    return renderer_of(request).respond(request, page)


@post(ADDRESS, guards=WRITE, sync_to_thread=True)
def automate(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Let environments of one more repository begin by themselves; whatever is wrong with the form is shown in it."""
    fields = sent_fields(data)
    values = last_values(fields)
    blueprint, wrong = values.get("blueprint", ""), list[FieldError]()
    try:
        chosen = choose(session, principal.tenant_id, blueprint, values.get("version", ""))
    except NotFoundError as error:
        return renderer_of(request).respond(request, _choice(session, principal, values, error.detail), status_code=422)
    except (InvalidConstraintError, VersionNotSelectableError) as error:
        # The form stays as it was sent, with the inputs of the newest version, where there is one.
        wrong.append(FieldError("/version", error.detail))
        try:
            chosen = choose(session, principal.tenant_id, blueprint, "")
        except (NotFoundError, VersionNotSelectableError) as none:
            page_of_all = _choice(session, principal, values, none.detail)
            return renderer_of(request).respond(request, page_of_all, status_code=422)
    keeper = Keeper(settings, principal, f"automation:{blueprint}")
    draft = keeper.read(fields)
    stored = _stored(session, settings, principal, chosen, values)

    def page(errors: Sequence[FieldError]) -> AutomationFormPage:
        source = _source(session, settings, principal, chosen, values=stored, submitted=draft.fields, errors=errors)
        source = replace(source, forgotten=draft.forgotten)
        made = _page(session, settings, principal, chosen, source)
        made = replace(made, values=values, errors=errors, replaces=bool(values.get("replaces")))
        return replace(made, kept=keeper.keep(draft.fields, made.form))

    inputs, unread = read_form(schema_of(chosen.version, chosen.fitted), draft.fields)
    wrong += unread
    if draft.is_unfinished:
        shown = page(wrong)
        shown = page([*wrong, *mistakes(shown.form, draft.fields, lambda: chosen.fitted.complete(inputs))])
        return renderer_of(request).respond(request, replace(shown, news=news(fields, shown.errors, shown.form)))
    try:
        asked = _asked(values, chosen, inputs)
        if not wrong:
            forgotten = None if stored is None else forgotten_pointers(page(()).form)
            EnvironmentAutomation(session, settings).automate(principal, asked, forgotten)
    except ValidationError as refused:
        names = dict.fromkeys(str(each["loc"][0]) for each in refused.errors(include_url=False))
        wrong += [FieldError(f"/{each}", FIXES.get(each, "This is not valid.")) for each in names]
    except InvalidInputError as error:
        session.rollback()
        wrong += error.errors or [FieldError("", error.detail)]
    if not wrong:
        return redirect(ADDRESS, "environments-automated")
    return renderer_of(request).respond(request, page(wrong), status_code=422)


def _asked(values: Mapping[str, str], chosen: Chosen, inputs: Mapping[str, Any]) -> AutomateEnvironments:
    labels = [each.strip() for each in values.get("labels", "").split(",") if each.strip()]
    body = {
        "repository": values.get("repository", ""),
        "blueprint": values.get("blueprint", "") + chosen.read.canonical,
        "inputs": inputs,
        "labels": labels,
        "ttl": values.get("ttl") or None,
        "target": values.get("target") or None,
    }
    return AutomateEnvironments.model_validate(body)


def _found(session: Session, settings: Settings, principal: Principal, wanted: UUID) -> AutomationRead:
    found = EnvironmentAutomation(session, settings).all(principal.tenant_id)
    present = next((each for each in found if each.id == wanted), None)
    if present is None:
        raise NotFoundError(f"There is no automation {wanted}.")
    return present


def _stored(
    session: Session, settings: Settings, principal: Principal, chosen: Chosen, values: Mapping[str, str]
) -> Mapping[str, Any] | None:
    """Return what a form shows of the inputs that it changes, with marks for secrets that stay; None where none do."""
    repository = values.get("repository", "").strip()
    found = EnvironmentAutomation(session, settings).all(principal.tenant_id) if values.get("replaces") else []
    for each in found:
        before = parse_reference(each.blueprint, "/blueprint")
        is_same = (before.namespace, before.name) == (chosen.asset.namespace, chosen.asset.name)
        if each.repository == repository and is_same:
            return unmarked(chosen.version.input_schema or {}, each.inputs)
    return None


def _choice(session: Session, principal: Principal, values: Mapping[str, str], problem: str = "") -> AutomationFormPage:
    makers = makers_of_environments(session, principal.tenant_id)
    return AutomationFormPage(None, makers, build_form({}, FormSource()), values=values, problem=problem)


def _source(  # what a form is filled with
    session: Session,
    settings: Settings,
    principal: Principal,
    chosen: Chosen,
    *,
    values: Mapping[str, Any] | None = None,
    submitted: Submitted | None = None,
    errors: Sequence[FieldError] = (),
) -> FormSource:
    return FormSource(
        hints=hints_of(chosen.version, chosen.fitted),
        values=values,
        submitted=submitted,
        errors=errors,
        offers=OptionSources(session, settings, principal),
    )


def _page(
    session: Session, settings: Settings, principal: Principal, chosen: Chosen, source: FormSource
) -> AutomationFormPage:
    return AutomationFormPage(
        chosen.asset,
        [],
        build_form(schema_of(chosen.version, chosen.fitted), source),
        reading=chosen.reading,
        targets=targets(chosen.version, session, settings, principal),
        lifetimes=lifetimes(chosen.version, timedelta(seconds=settings.environment_maximum_ttl_seconds)),
        problem=chosen.fitted.problem.detail if chosen.fitted.problem else "",
    )


ROUTES = (show_automation_form, automate)
