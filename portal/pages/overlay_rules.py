"""The page on which all rules of an overlay are written as text: for whole objects, and for the entries of lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.located import Bounds, DocumentRefusedError, load_yaml
from catalog.assets.service import AssetService
from catalog.errors import ConflictError, FieldError, InvalidInputError
from catalog.overlays.models import KEYWORDS, SetOverlay
from catalog.overlays.service import OverlayService
from catalog.refusals import sentence
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.shown_version import shown_version

ADMIN = [requires("assets:admin")]
LONGEST = 64 * 1024
FIELD = "rules"
EMPTY = """# One rule for each input; /tags/* stands for each entry of a list.
# - pointer: /network
#   fixed: {cidr: 10.0.0.0/16, public: false}
#   reason: Networks are given out by the platform team.
"""


@dataclass(frozen=True)
class RulesPage(Page):
    """The rules as they are written; what is sent with an error in it stands there again as it was sent."""

    template: ClassVar[str] = "overlays/rules.html"

    path: str
    version: str
    text: str
    revision: int
    errors: Sequence[FieldError] = ()

    @property
    def lines(self) -> list[str]:
        """Return what is wrong, each with the rule that it is about."""
        return [f"{_place(each)}{each.detail}" for each in self.errors]

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        return [("Rules", f"field-{FIELD}", each) for each in self.lines]


@get("/overlays/{namespace:str}/{name:str}/rules", guards=ADMIN, sync_to_thread=True)
def show_rules(
    request: WebRequest, namespace: FromPath[str], name: FromPath[str], session: OpenSession, principal: Caller
) -> Response[str]:
    """Show the rules as text."""
    return renderer_of(request).respond(request, _page(session, principal, namespace, name))


@post("/overlays/{namespace:str}/{name:str}/rules", guards=ADMIN, sync_to_thread=True)
def set_rules(
    request: WebRequest,
    namespace: FromPath[str],
    name: FromPath[str],
    data: SentForm,
    session: OpenSession,
    principal: Caller,
) -> Response[str] | Redirect:
    """Set all rules, or none, as they were written; or show them again with what is wrong."""
    values = last_values(sent_fields(data))
    text, status = values.get(FIELD, ""), 422
    revision = int(values["revision"]) if values.get("revision", "").isdecimal() else 0
    service = OverlayService(session)
    try:
        rules = read_rules(text)
        if rules:
            wanted = SetOverlay.model_validate({"rules": rules, "revision": revision})
            service.put(principal, namespace, name, wanted)
        elif revision:
            service.remove(principal, namespace, name, revision)
    except ValidationError as refused:
        errors: Sequence[FieldError] = [_said(each) for each in refused.errors(include_url=False)]
    except (InvalidInputError, ConflictError) as error:
        session.rollback()
        errors, status = list(error.errors) or [FieldError("", error.detail)], error.status
    else:
        return redirect(f"/overlays/{namespace}/{name}", "overlay-changed")
    page = _page(session, principal, namespace, name, Written(text[:LONGEST], revision, errors))
    return renderer_of(request).respond(request, page, status_code=status)


@dataclass(frozen=True)
class Written:
    """What somebody has written, against which revision, and what is wrong with it."""

    text: str
    revision: int
    errors: Sequence[FieldError]


def read_rules(text: str) -> list[Any]:
    """Return the rules that are written as YAML (JSON is YAML); raise ``InvalidInputError`` where they are no list."""
    try:
        document = load_yaml(text.encode(), FIELD, Bounds(size=LONGEST)).value if _says_something(text) else None
    except DocumentRefusedError as error:
        found = error.finding
        place = f"Line {found.line}: " if found.line else ""
        raise InvalidInputError("The rules cannot be read.", [FieldError("", f"{place}{found.message}")]) from None
    if isinstance(document, Mapping) and set(document) == {"rules"}:
        document = document["rules"]  # as the command line takes them from a file
    if document is None:
        return []
    if not isinstance(document, list):
        fix = "Write a list: each rule begins with a dash and its pointer."
        raise InvalidInputError("The rules are no list.", [FieldError("", fix)])
    return document


def _says_something(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _page(
    session: Session, principal: Principal, namespace: str, name: str, written: Written | None = None
) -> RulesPage:
    tenant_id = principal.tenant_id
    version = shown_version(AssetService(session), tenant_id, namespace, name)
    path = f"{namespace}/{name}"
    if written is not None:
        return RulesPage(path, version.version, written.text, written.revision, written.errors)
    overlay = OverlayService(session).find(tenant_id, namespace, name)
    if overlay is None:
        return RulesPage(path, version.version, EMPTY, 0)
    rules = [{KEYWORDS.get(part, part): value for part, value in rule.items()} for rule in overlay.rules]
    text = yaml.safe_dump(rules, sort_keys=False, allow_unicode=True)
    return RulesPage(path, version.version, text, overlay.revision)


def _said(error: Any) -> FieldError:
    """Return an error of the shapes at the place of what was written."""
    pointer = "".join(f"/{KEYWORDS.get(str(part), part)}" for part in error["loc"])
    return FieldError(pointer, sentence(error))


def _place(error: FieldError) -> str:
    """Return which rule an error is about, in words; rules are counted from 1 as people do."""
    parts = error.pointer.split("/")[2:]
    if not parts or not parts[0].isdecimal():
        return ""
    part = f", {'/'.join(parts[1:])}" if len(parts) > 1 else ""
    return f"Rule {int(parts[0]) + 1}{part}: "


ROUTES = (show_rules, set_rules)
