"""The form that asks for the plan of an install: where it goes, and the inputs of what it becomes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from sqlmodel import Session

from catalog.assets.examples import Example
from catalog.assets.inputs import HIDDEN, marked_pointers, secret_pointers
from catalog.assets.kinds import kinds
from catalog.assets.models import AssetVersionRead, VersionState, VersionSummary
from catalog.assets.service import LATEST, AssetService
from catalog.errors import FieldError
from catalog.forms.pointers import pointer_to
from catalog.installs.changes import changes_to
from catalog.installs.presets import changeable, narrowed, started_from
from catalog.installs.service import InstallService
from catalog.installs.shapes import InstallRead
from catalog.overlays.fitting import Fitted
from catalog.overlays.service import OverlayService
from catalog.policies.models import ScopeKind
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.pages.narrowed_form import hints_of, schema_of
from portal.pages.option_sources import OptionSources
from portal.pages.presets import presets
from portal.pages.reference import component_reference
from portal.pages.render import Page
from portal.pages.schema_controls import Control, element_id
from portal.pages.schema_drafts import Draft, forgotten_pointers
from portal.pages.schema_form import FormSource, build_form, split_form

PIN, STACK = "pin", "stack"
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


@dataclass(frozen=True)
class InstallFormPage(Page):
    """The form of a new install or of an upgrade; ``kept`` are inputs that stay as they are, folded away.

    ``schema`` is what the form asks for, under any condition; ``components`` are those of a package of several.
    """

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
    schema: Mapping[str, Any] = field(default_factory=dict)
    components: Sequence[str] = ()
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

    def changes(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an upgrade changes: what is empty now goes, but for secrets, unless they are to be forgotten."""
        forgotten = forgotten_pointers(*self.forms)
        secret = set(secret_pointers(self.schema)) - forgotten
        fixed = set(marked_pointers(self.schema, "readOnly"))
        return changes_to(
            inputs, self.given, lambda pointer, value: pointer in fixed or (is_secret(value) and pointer in secret)
        )

    ways: ClassVar[Sequence[tuple[str, str]]] = (
        (PIN, "Pinned: blueprints and programs of the tenant use it"),
        (STACK, "A stack of its own, made of one component"),
    )

    @property
    def way(self) -> str:
        """Return what a component package becomes, "" for everything else."""
        return _way(self.becomes, self.values)

    @property
    def component_options(self) -> list[tuple[str, str]]:
        """Return what the choice of a component offers."""
        return [("", "Choose…"), *((each, each) for each in self.components)]

    @property
    def nothing(self) -> str:
        """Say why there is no field for an input."""
        if self.install is not None:
            return "This version asks for nothing new."
        if self.way == PIN:
            return "A pin takes no inputs: they are given where a component is used."
        is_open = self.way == STACK and self.components and not self.value("component")
        return "Choose a component first." if is_open else "It asks for nothing."

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
        if self.install is not None:
            query = {"version": self.version.version, "example": example}
            return f"/installs/{self.install.id}/upgrade?{urlencode(query)}"
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


class InstallForms:
    """Makes the pages from what the marketplace has, in one session."""

    def __init__(self, session: Session, settings: Settings, principal: Principal) -> None:
        self._assets = AssetService(session)
        self._installs = InstallService(session, settings)
        self._overlays = OverlayService(session)
        self._tenant_id = principal.tenant_id
        self._settings, self._principal = settings, principal
        self._offers = OptionSources(session, settings, principal)

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
        becomes = [str(each.becomes) for each in kinds()[version.kind].install(version.manifest)]
        examples = presets(self._assets, self._tenant_id, version, open_blobs(self._settings))
        inputs = next((each.inputs for each in examples if each.name == example), None)
        components = self._components(version)
        if inputs is not None and STACK in becomes:
            # An example has inputs, which only a stack takes: of the component that it gives them to.
            values = {"as": STACK, "component": next(iter(inputs), "") if components else "", **values}
        component = values.get("component", "") if components else None
        schema = narrowed(schema_of(version, fitted), _way(becomes, values), component)
        source = FormSource(
            hints=hints_of(version, fitted), values=inputs, submitted=fields, errors=errors, offers=self._offers
        )
        return InstallFormPage(
            version,
            build_form(schema, source),
            becomes,
            _versions(self._assets.versions(self._tenant_id, namespace, name)),
            values={"version": version.version, **values},
            errors=errors,
            schema=schema,
            components=components,
            fitted=fitted,
            examples=examples,
            example="" if inputs is None else example,
        )

    def upgrade(
        self,
        install: InstallRead,
        wanted: str,
        draft: Draft | None = None,
        errors: Sequence[FieldError] = (),
        example: str = "",
    ) -> InstallFormPage:
        """Return the form of an upgrade: what is new or at fault in front, the rest prefilled and folded away.

        What the example of that name says goes before what is there, and in front.
        """
        namespace, _, name = install.asset.partition("/")
        version = self._assets.get_version(self._tenant_id, namespace, name, wanted or LATEST)
        number = install.applied_revision or install.desired_revision or 1
        content = self._installs.revision(self._tenant_id, install.id, number).content
        before = self._assets.get_version(self._tenant_id, namespace, name, content["version"])
        fitted = self._overlays.over(self._tenant_id, version)
        present = _present(content["inputs"], frozenset(secret_pointers(version.input_schema or {})))

        def asks(which: AssetVersionRead, over: Fitted) -> Mapping[str, Any]:
            component = str(install.target.get("component") or "") if self._components(which) else None
            return narrowed(schema_of(which, over), install.becomes, component)

        schema = asks(version, fitted)
        examples = self._presets(version, schema)
        said = next((each.inputs for each in examples if each.name == example), {})
        source = FormSource(
            hints=hints_of(version, fitted),
            values=started_from(present, said),
            submitted=None if draft is None else draft.fields,
            errors=errors,
            offers=self._offers,
            forgotten=() if draft is None else draft.forgotten,
        )
        known = asks(before, self._overlays.over(self._tenant_id, before))
        fresh, kept = split_form(known, schema, source, present)
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
            schema=schema,
            fitted=fitted,
            examples=examples,
            example=example if said else "",
        )

    def _presets(self, version: AssetVersionRead, schema: Mapping[str, Any]) -> list[Example]:
        """Return what an upgrade may start from: of each example what may change, and is asked for at all."""
        asked = schema.get("properties", {})
        found = []
        for each in presets(self._assets, self._tenant_id, version, open_blobs(self._settings)):
            said = changeable(each.inputs, version.manifest, schema)
            inputs = {name: value for name, value in said.items() if name in asked}
            found += [Example(name=each.name, inputs=inputs)] if inputs else []
        return found

    def _components(self, version: AssetVersionRead) -> list[str]:
        """Return the names of a package's components where it has several, of which one is chosen."""
        found = component_reference(self._settings, self._assets, self._principal, version)
        names = [each.name for each in found.components] if found is not None else []
        return names if len(names) > 1 else []


def is_secret(value: Any) -> bool:
    """Tell whether what was given before is a reference to a secret."""
    return isinstance(value, Mapping) and set(value) == {"$secret"}


def _present(inputs: Mapping[str, Any], secret: frozenset[str], place: str = "") -> dict[str, Any]:
    """Return what a form shows of inputs: no secret, nor that there is one where this version would show it."""
    shown: dict[str, Any] = {}
    for name, value in inputs.items():
        pointer = f"{place}{pointer_to((name,))}"
        if is_secret(value):
            shown |= {name: HIDDEN} if pointer in secret else {}
        else:
            shown[name] = _present(value, secret, pointer) if isinstance(value, Mapping) else value
    return shown


def _way(becomes: Sequence[str], values: Mapping[str, str]) -> str:
    """Return whether a component package is pinned or made as a stack: what was chosen, or what was filled in."""
    if STACK not in becomes:
        return ""
    chosen = values.get("as", "")
    return chosen if chosen in {PIN, STACK} else STACK if values.get("stack") else PIN


def _versions(versions: Sequence[VersionSummary]) -> list[tuple[str, str]]:
    usable = {VersionState.PUBLISHED, VersionState.DEPRECATED, VersionState.YANKED}
    return [
        (each.version, each.version if each.state is VersionState.PUBLISHED else f"{each.version}, {each.state}")
        for each in versions
        if each.state in usable
    ]
