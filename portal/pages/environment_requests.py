"""The page that asks for an environment: the choice of a blueprint, then a form made from its input schema."""

from collections.abc import Collection, Mapping, Sequence
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
from catalog.assets.examples import Example
from catalog.assets.models import AssetRead, VersionSummary
from catalog.assets.service import AssetService
from catalog.environments.models import Environment, RequestEnvironment
from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError, QuotaExceededError, SlipwayError
from catalog.gating import PolicyRefusedError, Verdict, keep_refusal
from catalog.providers.blobs import open_blobs
from catalog.refusals import sentence
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.chosen_blueprint import Chosen, choose, makers_of_environments
from portal.pages.environment_changes import changed_environment, is_about, left_behind, shown_inputs
from portal.pages.environment_choices import LIFETIMES, lifetimes, targets, version_options
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.narrowed_form import hints_of, schema_of
from portal.pages.option_sources import OptionSources
from portal.pages.presets import presets
from portal.pages.render import Page, redirect
from portal.pages.schema_controls import Control, element_id
from portal.pages.schema_drafts import Keeper, forgotten_pointers, mistakes, news
from portal.pages.schema_form import FormSource, build_form
from portal.pages.schema_input import read_form

WRITE = [requires("environments:write")]
FIELD_LABELS = {
    "repository": "Repository",
    "pull_request": "Pull request",
    "branch": "Branch",
    "blueprint": "Blueprint",
    "head_sha": "Commit",
    "version": "Version of the blueprint",
    "ttl": "Destroy it after",
    "target": "Where it runs",
}

FIXES = {
    "repository": "Name the repository: its path or its address.",
    "pull_request": "Give the number of the pull request, such as 42.",
    "head_sha": "Give a commit id: 7 to 64 hexadecimal digits, in lower case.",
}
MOST_VERSIONS = 200
"""How many versions the form offers; the API takes any other by its number."""


@dataclass(frozen=True)
class RequestEnvironmentPage(Page):
    """The form that asks for an environment: first the choice of a blueprint, then its inputs.

    ``reading`` says how the constraint on the version was understood, and which version that is now. ``changes`` is the
    environment that is there already, whose secrets stay.
    """

    template: ClassVar[str] = "environments/new.html"

    blueprint: AssetRead | None
    blueprints: Sequence[AssetRead]
    form: Control
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    repositories: Sequence[str] = ()
    versions: Sequence[tuple[str, str]] = ()
    reading: str = ""
    lifetimes: Sequence[tuple[str, str]] = LIFETIMES
    targets: Sequence[tuple[str, str]] = ()
    problem: str = ""
    verdict: Verdict | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    example: str = ""
    kept: str = ""
    news: str = ""
    changes: UUID | None = None

    def choose_href(self, blueprint: AssetRead) -> str:
        """Return the address of the form for a blueprint, with what was given before."""
        parts = {"blueprint": f"{blueprint.namespace}/{blueprint.name}", **self.carried}
        return f"/environments/new?{urlencode(parts)}"

    def example_href(self, example: str) -> str:
        """Return the address of the form that starts from an example, with what was given before."""
        blueprint = "" if self.blueprint is None else f"{self.blueprint.namespace}/{self.blueprint.name}"
        names = ("repository", "pull_request", "branch", "version")
        given = {name: self.values[name] for name in names if self.values.get(name)}
        return f"/environments/new?{urlencode({'blueprint': blueprint, **given, 'example': example})}"

    def value(self, name: str) -> str:
        """Return what a field shows."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def has_advanced(self) -> bool:
        """Tell whether the fields that are folded away hold something that should be seen."""
        return any(self.value(name) or self.error(name) for name in ("head_sha", "version", "ttl", "target"))

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [(*self._place(each.pointer), each.detail) for each in self.errors]

    def _place(self, pointer: str) -> tuple[str, str]:
        name = pointer.removeprefix("/")
        if not name:
            return "", ""
        if name in FIELD_LABELS:
            return FIELD_LABELS[name], "" if name == "blueprint" else element_id(name)
        labels = self.form.labels()
        # An error inside an array or a mapping belongs to the control that holds all of it.
        while name and f"/{name}" not in labels:
            name = name.rpartition("/")[0]
        label, target = labels.get(f"/{name}", ("", "")) if name else ("", "")
        return (label or "Inputs", target) if name != "inputs" else ("Inputs", "")


@dataclass(frozen=True)
class _Filled:
    """What the form starts with: texts of its fields, values of the inputs, or the inputs as they were sent."""

    values: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] | None = None
    fields: Mapping[str, Sequence[str]] | None = None
    errors: Sequence[FieldError] = ()
    example: str = ""
    forgotten: Collection[str] = ()
    changes: UUID | None = None


class _Form:
    """Makes the page from what the marketplace has, in one session."""

    def __init__(self, session: Session, settings: Settings, principal: Principal) -> None:
        self._session = session
        self._assets = AssetService(session)
        self._environments = EphemeralEnvironmentService(session, settings)
        self._settings = settings
        self._principal, self._tenant_id = principal, principal.tenant_id
        self._offers = OptionSources(session, settings, principal)

    def choice(self, problem: str, carried: Mapping[str, str]) -> RequestEnvironmentPage:
        """Return the page that offers the blueprints there are."""
        makers = makers_of_environments(self._session, self._tenant_id)
        empty = build_form({}, FormSource())
        return RequestEnvironmentPage(None, makers, empty, problem=problem, carried=carried)

    def version(self, blueprint: str, version: str) -> Chosen:
        """Return the blueprint and the version that a constraint means; raises as ``choose`` does."""
        return choose(self._session, self._tenant_id, blueprint, version)

    def _offered(self, asset: AssetRead) -> Sequence[VersionSummary]:
        """Return the newest versions that the tenant's catalog offers; an older one is written into the field."""
        return self._assets.offered_versions(self._tenant_id, asset.namespace, asset.name)[0][:MOST_VERSIONS]

    def filled(self, chosen: Chosen, filled: _Filled) -> RequestEnvironmentPage:
        """Return the page with the form for a blueprint."""
        asset, version = chosen.asset, chosen.version
        examples = presets(self._assets, self._tenant_id, version, open_blobs(self._settings))
        preset = next((each for each in examples if each.name == filled.example), None)
        source = FormSource(
            hints=hints_of(version, chosen.fitted),
            values=filled.inputs if preset is None else preset.inputs,
            submitted=filled.fields,
            errors=filled.errors,
            offers=self._offers,
            forgotten=filled.forgotten,
        )
        recent = self._environments.page(self._tenant_id)
        return RequestEnvironmentPage(
            asset,
            [],
            build_form(schema_of(version, chosen.fitted), source),
            values=filled.values,
            errors=filled.errors,
            repositories=sorted({each.repository for each in recent}),
            versions=version_options(self._offered(asset)),
            reading=chosen.reading,
            problem=chosen.fitted.problem.detail if chosen.fitted.problem else "",
            lifetimes=lifetimes(version, timedelta(seconds=self._settings.environment_maximum_ttl_seconds)),
            targets=targets(version, self._session, self._settings, self._principal),
            examples=examples,
            example="" if preset is None else preset.name,
            changes=filled.changes,
        )


@get("/environments/new", guards=WRITE, sync_to_thread=True)
def show_request(  # noqa: PLR0913, PLR0917  # each is a query parameter of its own
    request: WebRequest,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
    blueprint: Text = None,
    version: Text = None,
    repository: Text = None,
    pull_request: Text = None,
    branch: Text = None,
    again: Annotated[UUID | None, QueryParameter(name="from", required=False)] = None,
    example: Text = None,
) -> Response[str]:
    """Show the blueprints, or the form for one of them.

    ``from`` fills it in as an environment is now, ``example`` as a preset of the blueprint says.
    """
    form = _Form(session, settings, principal)
    given = {"repository": repository, "pull_request": pull_request, "branch": branch, "version": version}
    values = {name: value for name, value in given.items() if value}
    present: Environment | None = None
    problem = ""
    if again is not None:
        present = EphemeralEnvironmentService(session, settings).get(principal.tenant_id, again)
        blueprint = blueprint or present.blueprint
        values = {**_texts(present), **values}
    if blueprint:
        try:
            chosen = form.version(blueprint, values.get("version", ""))
        except (NotFoundError, InvalidConstraintError, VersionNotSelectableError) as error:
            problem = error.detail
        else:
            if values.get("version") == chosen.asset.latest_version:
                values = {**values, "version": ""}
            changes = present.id if present is not None and is_about(present, values, blueprint) else None
            inputs = None if present is None else shown_inputs(present, chosen, stays=changes is not None)
            filled = _Filled(values, inputs, example=example or "", changes=changes)
            return renderer_of(request).respond(request, form.filled(chosen, filled))
    carried = {name: value for name, value in values.items() if name != "version"}
    return renderer_of(request).respond(request, form.choice(problem, carried))


def _texts(environment: Environment) -> dict[str, str]:
    return {
        "repository": environment.repository,
        "pull_request": str(environment.pull_request),
        "branch": environment.branch or "",
        "version": environment.blueprint_version,
        "target": environment.target,
    }


@post("/environments", guards=WRITE, sync_to_thread=True)
def request_environment(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Ask for an environment and go to its page; whatever is wrong with the form is shown in it."""
    fields = sent_fields(data)
    values = last_values(fields)
    form = _Form(session, settings, principal)
    wrong_version: Sequence[FieldError] = ()
    try:
        chosen = form.version(values.get("blueprint", ""), values.get("version", ""))
    except NotFoundError as error:
        return renderer_of(request).respond(request, form.choice(error.detail, {}), status_code=422)
    except (InvalidConstraintError, VersionNotSelectableError) as error:
        # The form stays as it was sent, with the inputs of the newest version, where there is one.
        wrong_version = (FieldError("/version", error.detail),)
        try:
            chosen = form.version(values.get("blueprint", ""), "")
        except (NotFoundError, VersionNotSelectableError) as none:
            return renderer_of(request).respond(request, form.choice(none.detail, {}), status_code=422)
    keeper = Keeper(settings, principal, values["blueprint"])
    draft = keeper.read(fields)
    inputs, unread = read_form(schema_of(chosen.version, chosen.fitted), draft.fields)
    present = changed_environment(session, settings, principal, values)
    filled = _Filled(values, fields=draft.fields, forgotten=draft.forgotten)
    if present is not None and is_about(present, values, values["blueprint"]):
        filled = replace(filled, inputs=shown_inputs(present, chosen, stays=True), changes=present.id)
    page = form.filled(chosen, filled)
    left = [] if present is None or filled.changes else left_behind(present, page.form, draft)
    if draft.is_unfinished:
        found = mistakes(page.form, draft.fields, lambda: chosen.fitted.complete(inputs))
        page = form.filled(chosen, replace(filled, errors=(*wrong_version, *unread, *found, *left)))
        kept = keeper.keep(draft.fields, page.form)
        return renderer_of(request).respond(
            request, replace(page, kept=kept, news=news(fields, page.errors, page.form))
        )
    asked, wrong = _asked(values, chosen, inputs)
    wrong = (*wrong_version, *wrong, *left)
    errors: Sequence[FieldError] = (*wrong, *unread)
    status = 422
    verdict = None
    if asked is not None and not errors:
        try:
            forgotten = None if filled.changes is None else forgotten_pointers(page.form)
            environment = EphemeralEnvironmentService(session, settings).request(principal, asked, forgotten)
        except (InvalidInputError, ConflictError, QuotaExceededError) as error:
            session.rollback()
            errors, status = _placed(error), error.status
        except PolicyRefusedError as refusal:
            keep_refusal(session, refusal)
            verdict, status = refusal.verdict, refusal.status
        else:
            notice = "environment-requested" if environment.generation == 1 else "environment-moved"
            notice = "environment-held" if environment.waiting_sha else notice
            return redirect(f"/environments/{environment.id}", notice)
    page = form.filled(chosen, replace(filled, errors=errors))
    page = replace(page, verdict=verdict, kept=keeper.keep(draft.fields, page.form))
    return renderer_of(request).respond(request, page, status_code=status)


def _placed(error: SlipwayError) -> Sequence[FieldError]:
    return error.errors or (FieldError("", error.detail),)


def _asked(
    values: Mapping[str, str], chosen: Chosen, inputs: Mapping[str, Any]
) -> tuple[RequestEnvironment | None, Sequence[FieldError]]:
    names = ("repository", "pull_request", "branch", "head_sha")
    body = {
        **{name: values.get(name, "").strip() for name in names},
        "ttl": values.get("ttl") or None,
        "target": values.get("target") or None,
        "blueprint": values.get("blueprint", "") + chosen.read.canonical,
        "inputs": inputs,
    }
    try:
        return RequestEnvironment.model_validate(body), ()
    except ValidationError as refused:
        errors = refused.errors(include_url=False)
        return None, [
            FieldError("/" + "/".join(map(str, each["loc"])), FIXES.get(str(each["loc"][0]), sentence(each)))
            for each in errors
        ]


ROUTES = (show_request, request_environment)
