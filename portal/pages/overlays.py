"""The pages of overlays: which assets the tenant narrows, the rules of one, and the form of one rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.models import AssetVersionRead
from catalog.assets.service import AssetService
from catalog.errors import ConflictError, FieldError, InvalidInputError, NotFoundError
from catalog.overlays.models import KEYWORDS, OverlayChangeRead, OverlayRead, Rule, SetOverlay
from catalog.overlays.service import OverlayService
from catalog.refusals import sentence
from catalog.tenancy import Principal
from portal.api.listing import asset_place, cut
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.schema_controls import Control, element_id
from portal.pages.schema_form import FormSource, build_form
from portal.pages.schema_input import read_form
from portal.pages.schema_rows import DO, rearranged
from portal.pages.schema_shape import Shape, scalar_text, shape_of
from portal.pages.shown_version import shown_version

PAGE_SIZE = 50
READ = [requires("assets:read")]
ADMIN = [requires("assets:admin")]
MODES = (
    ("choose", "Members choose", "Within the limits below, where you give any."),
    ("fixed", "One value for all", "It stands in the form and cannot be changed."),
    ("hidden", "Nobody sees it", "It is in no form: it has the value below, or else its default."),
)
_NUMBER = ("minimum", "maximum")
_WORDS = {
    "fixed": "always {}",
    "hidden": "hidden",
    "default": "{} where nothing is given",
    "enum": "one of {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
    "min_items": "at least {} entries",
    "max_items": "at most {} entries",
    "pattern": "matches {}",
    "required": "has to be chosen",
}
_TITLES = {
    "value": "Value, for all or where nobody sees it",
    "default": "Default in place of the publisher's",
    "enum": "Values that are left",
    "minimum": "At least",
    "maximum": "At most",
    "minLength": "Characters, at least",
    "maxLength": "Characters, at most",
    "minItems": "Entries, at least",
    "maxItems": "Entries, at most",
    "pattern": "Pattern it has to match as well",
    "required": "Members have to choose: the publisher's default is taken away",
}


@dataclass(frozen=True)
class OverlaysPage(Page):
    """Which assets the tenant narrows."""

    template: ClassVar[str] = "overlays/index.html"

    overlays: Sequence[OverlayRead]
    previous_href: str = ""
    next_href: str = ""


@dataclass(frozen=True)
class InputLine:
    """One input of the newest version, with the rule about it."""

    pointer: str
    title: str
    rule: Mapping[str, Any] | None
    is_secret: bool


@dataclass(frozen=True)
class OverlayPage(Page):
    """The inputs of an asset with what the tenant makes of each; ``stray`` are rules about what is no input now."""

    template: ClassVar[str] = "overlays/show.html"

    version: AssetVersionRead
    overlay: OverlayRead | None
    lines: Sequence[InputLine]
    stray: Sequence[Mapping[str, Any]]
    history: Sequence[OverlayChangeRead]
    may_change: bool
    errors: Sequence[FieldError] = ()

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.version.namespace}/{self.version.name}"

    def words(self, rule: Mapping[str, Any]) -> str:
        """Say what a rule does."""
        return ", ".join(
            _WORDS[name].format(", ".join(map(scalar_text, value)) if isinstance(value, list) else scalar_text(value))
            for name, value in rule.items()
            if name in _WORDS
        )


@dataclass(frozen=True)
class RulePage(Page):
    """The form of one rule."""

    template: ClassVar[str] = "overlays/rule.html"

    version: AssetVersionRead
    pointer: str
    title: str
    form: Control
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    modes: tuple[tuple[str, str, str], ...] = MODES

    @property
    def path(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.version.namespace}/{self.version.name}"

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer == f"/{name}")

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        labels = {**self.form.labels(), "/reason": ("Reason", element_id("reason"))}
        return [(*labels.get(each.pointer, ("", "")), each.detail) for each in self.errors]


class _Pages:
    """Makes the pages from what the marketplace has, in one session."""

    def __init__(self, session: Session, principal: Principal, namespace: str, name: str) -> None:
        self.service = OverlayService(session)
        self._principal = principal
        self._path = (namespace, name)
        tenant_id = principal.tenant_id
        self.version = shown_version(AssetService(session), tenant_id, namespace, name)
        self.overlay = self.service.find(tenant_id, namespace, name)
        self.rules = list(self.overlay.rules) if self.overlay else []
        self._shapes = _narrowable(self.version.input_schema)

    def show(self, errors: Sequence[FieldError] = ()) -> OverlayPage:
        by_pointer = {each["pointer"]: each for each in self.rules}
        lines = [
            InputLine(
                pointer, _title(pointer, shape), by_pointer.pop(pointer, None), bool(shape.schema.get("writeOnly"))
            )
            for pointer, shape in self._shapes.items()
        ]
        history = self.service.history(self._principal.tenant_id, *self._path)
        stray = list(by_pointer.values())
        may_change = self._principal.may("assets:admin")
        return OverlayPage(self.version, self.overlay, lines, stray, history, may_change, errors)

    def rule(
        self,
        pointer: str,
        fields: Mapping[str, Sequence[str]] | None = None,
        errors: Sequence[FieldError] = (),
    ) -> RulePage:
        shape = self.shape(pointer)
        present: Mapping[str, Any] = next((each for each in self.rules if each["pointer"] == pointer), {})
        values = {KEYWORDS.get(name, name): value for name, value in present.items()}
        values["value"] = present.get("fixed", present.get("default") if present.get("hidden") else None)
        mode = "hidden" if present.get("hidden") else "fixed" if "fixed" in present else "choose"
        texts = {"mode": mode, "reason": str(present.get("reason", "")), **(last_values(fields) if fields else {})}
        form = build_form(rule_schema(shape), FormSource(prefix="rule", values=values, submitted=fields, errors=errors))
        return RulePage(self.version, pointer, _title(pointer, shape), form, texts, errors)

    def shape(self, pointer: str) -> Shape:
        if pointer not in self._shapes:
            raise NotFoundError(f"{self.version.namespace}/{self.version.name} has no input {pointer[:100]}.")
        return self._shapes[pointer]

    def keep(self, pointer: str, rule: Rule | None) -> None:
        """Set the rules with another one, or none, about an input."""
        others = [Rule.model_validate(each) for each in self.rules if each["pointer"] != pointer]
        wanted = [*others, rule] if rule is not None else others
        revision = self.overlay.revision if self.overlay else 0
        if wanted:
            self.service.put(self._principal, *self._path, SetOverlay(rules=wanted, revision=revision))
        elif self.overlay is not None:
            self.service.remove(self._principal, *self._path, revision)


def rule_schema(shape: Shape) -> dict[str, Any]:
    """Return the form of a rule about an input, as a schema: its value and default as they are, and limits by type."""
    node = {k: v for k, v in shape.schema.items() if k not in {"default", "description", "writeOnly", "title"}}
    if shape.kind == "boolean":
        # Something has to stand for "not set", which a box to tick cannot.
        node = {"enum": [True, False]}
    parts: dict[str, Any] = {"value": node, "default": node}
    if shape.options:
        parts["enum"] = {"type": "array", "items": {"enum": [value for value, _ in shape.options]}, "uniqueItems": True}
    elif shape.kind in {"text", "number"}:
        scalar = "string" if shape.kind == "text" else shape.item
        parts["enum"] = {"type": "array", "items": {"type": scalar}}
    if shape.kind == "number":
        parts |= {name: {"type": shape.item} for name in _NUMBER}
    if shape.kind == "text":
        parts |= {name: {"type": "integer", "minimum": 0} for name in ("minLength", "maxLength")}
        parts["pattern"] = {"type": "string"}
    if shape.kind in {"lines", "choices"}:
        parts |= {name: {"type": "integer", "minimum": 0} for name in ("minItems", "maxItems")}
    parts["required"] = {"type": "boolean"}
    if shape.schema.get("writeOnly"):
        parts = {name: part for name, part in parts.items() if name not in {"value", "default", "enum"}}
    return {"type": "object", "properties": {name: {**part, "title": _TITLES[name]} for name, part in parts.items()}}


def _narrowable(schema: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the inputs that hold a value, by pointer."""
    return {each.pointer: each for each in shape_of(schema).walk() if _holds(each)} if schema else {}


def _holds(shape: Shape) -> bool:
    return shape.kind != "group" and not shape.is_rest


def _title(pointer: str, shape: Shape) -> str:
    return str(shape.schema.get("title") or pointer)


@get("/overlays", guards=READ, sync_to_thread=True)
def show_overlays(request: WebRequest, session: OpenSession, principal: Caller, cursor: Text = None) -> Response[str]:
    """Show which assets the tenant narrows."""
    rows = OverlayService(session).page(principal.tenant_id, asset_place(cursor or None), PAGE_SIZE + 1)
    found, following = cut(rows, PAGE_SIZE, lambda each: (each.namespace, each.name))
    page = OverlaysPage(
        found,
        previous_href="/overlays" if cursor else "",
        next_href="/overlays?" + urlencode({"cursor": following}) if following else "",
    )
    return renderer_of(request).respond(request, page)


@get("/overlays/{namespace:str}/{name:str}", guards=READ, sync_to_thread=True)
def show_overlay(
    request: WebRequest, namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show the inputs of an asset with what the tenant makes of each."""
    return renderer_of(request).respond(request, _Pages(session, principal, namespace, name).show())


@get("/overlays/{namespace:str}/{name:str}/rule", guards=ADMIN, sync_to_thread=True)
def show_rule(  # each is what the handler needs
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    session: OpenSession,
    principal: Caller,
    pointer: Text = None,
) -> Response[str]:
    """Show the form of a rule about one input."""
    return renderer_of(request).respond(request, _Pages(session, principal, namespace, name).rule(pointer or ""))


@post("/overlays/{namespace:str}/{name:str}/rule", guards=ADMIN, sync_to_thread=True)
def set_rule(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    data: SentForm,
    session: OpenSession,
    principal: Caller,
) -> Response[str] | Redirect:
    """Set a rule about one input, or show the form again with what is wrong in it."""
    fields = rearranged(sent_fields(data))
    values = last_values(fields)
    pointer = values.get("pointer", "")
    pages = _Pages(session, principal, namespace, name)
    given, unread = read_form(rule_schema(pages.shape(pointer)), fields, "rule")
    errors: Sequence[FieldError] = unread
    status = 200 if DO in fields else 422
    if not errors and DO not in fields:
        try:
            pages.keep(pointer, _rule(pointer, values, given))
        except ValidationError as refused:
            errors = [_said(each) for each in refused.errors(include_url=False)]
        except (InvalidInputError, ConflictError) as error:
            session.rollback()
            errors = [FieldError("", each.detail) for each in error.errors] or [FieldError("", error.detail)]
            status = error.status
        else:
            return redirect(f"/overlays/{namespace}/{name}", "overlay-changed")
    page = _Pages(session, principal, namespace, name).rule(pointer, fields, errors)
    return renderer_of(request).respond(request, page, status_code=status)


@post("/overlays/{namespace:str}/{name:str}/forget", guards=ADMIN, sync_to_thread=True)
def forget_rule(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    data: SentForm,
    session: OpenSession,
    principal: Caller,
) -> Response[str] | Redirect:
    """Take one rule back."""
    pages = _Pages(session, principal, namespace, name)
    try:
        pages.keep(last_values(sent_fields(data)).get("pointer", ""), None)
    except (InvalidInputError, ConflictError) as error:
        session.rollback()
        errors = list(error.errors) or [FieldError("", error.detail)]
        page = _Pages(session, principal, namespace, name).show(errors)
        return renderer_of(request).respond(request, page, status_code=error.status)
    return redirect(f"/overlays/{namespace}/{name}", "overlay-changed")


def _rule(pointer: str, values: Mapping[str, str], given: Mapping[str, Any]) -> Rule:
    made: dict[str, Any] = {"pointer": pointer, "reason": values.get("reason", "").strip()}
    mode = values.get("mode", "choose")
    if mode == "choose":
        made |= {name: value for name, value in given.items() if name != "value"}
    elif mode == "fixed":
        made |= {"fixed": given["value"]} if "value" in given else {}
    else:
        made |= {"hidden": True, **({"fixed": given["value"]} if "value" in given else {})}
    return Rule.model_validate(made)


def _said(error: Any) -> FieldError:
    name = str(error["loc"][0]) if error["loc"] else ""
    if name == "reason":
        return FieldError("/reason", "Say why, in 500 characters at the most: whoever meets the rule reads it.")
    return FieldError(f"/rule/{KEYWORDS.get(name, name)}" if name else "", sentence(error))


ROUTES = (show_overlays, show_overlay, show_rule, set_rule, forget_rule)
