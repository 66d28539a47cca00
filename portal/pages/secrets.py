"""The page of a tenant's secrets: their names, where they are used, and forms that take a value and never show one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote, urlencode
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.environments.service import EphemeralEnvironmentService
from catalog.errors import FieldError, SlipwayError
from catalog.refusals import sentence
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.models import SecretRead, SetSecret
from catalog.tenants.secrets import SecretService
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import FormErrors, SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

ADDRESS = "/secrets"
READ = [requires("environments:read")]
ADMIN = [requires("tenants:admin")]
LABELS = {"name": "Name", "value": "Value", "blueprints": "Blueprints of others"}
FIXES = {
    "value": "Give it a value: one character at least, 16 KiB at the most.",
    "blueprints": "Name at most 50 patterns, such as slipway/preview-*.",
}
SHOWN = 3
"""How many environments are named beside a secret; of the others their number is."""


@dataclass(frozen=True)
class SecretsPage(FormErrors, Page):
    """The secrets by name, and the form that sets or replaces one; no value is ever part of it.

    ``uses`` are the living environments that take each secret: their ids and names.
    """

    template: ClassVar[str] = "tenants/secrets.html"
    labels: ClassVar[Mapping[str, str]] = LABELS

    secrets: Sequence[SecretRead]
    uses: Mapping[str, Sequence[tuple[UUID, str]]]
    may_change: bool
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    shown: ClassVar[int] = SHOWN

    @property
    def replaces(self) -> bool:
        """Tell whether the form is about a secret that is there already."""
        return any(each.name == self.values.get("name") for each in self.secrets)

    def used_in(self, secret: SecretRead) -> Sequence[tuple[UUID, str]]:
        """Return the environments that take a secret."""
        return self.uses.get(secret.name, ())

    def replace_href(self, secret: SecretRead) -> str:
        """Return the address of the form that gives a secret another value."""
        return f"{ADDRESS}?{urlencode({'name': secret.name})}#set"

    def remove_action(self, secret: SecretRead) -> str:
        """Return where the form that removes a secret goes to."""
        return f"{ADDRESS}/{quote(secret.name, safe='')}/remove"


@get(ADDRESS, guards=READ, sync_to_thread=True)
def show_secrets(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, name: Text = None
) -> Response[str]:
    """Show the names of secrets; ``name`` begins the form with that one, so that it gets another value."""
    page = _page(session, settings, principal)
    chosen = next((each for each in page.secrets if each.name == name), None)
    if chosen is not None:
        values = {"name": chosen.name, "blueprints": ", ".join(chosen.blueprints)}
        page = _page(session, settings, principal, values)
    return renderer_of(request).respond(request, page)


@post(ADDRESS, guards=ADMIN, sync_to_thread=True)
def set_secret(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str] | Redirect:
    """Give a secret a value, or say what is wrong; a value that was sent is not sent back."""
    values = last_values(sent_fields(data))
    patterns = [each.strip() for each in values.get("blueprints", "").split(",") if each.strip()]
    errors: Sequence[FieldError]
    try:
        asked = SetSecret.model_validate({"value": values.get("value", ""), "blueprints": patterns})
        SecretService(session, settings).set(principal, values.get("name", "").strip(), asked)
    except ValidationError as refused:
        wrong = refused.errors(include_url=False, include_input=False)
        errors = [FieldError(f"/{each['loc'][0]}", _fix(each)) for each in wrong]
    except SlipwayError as error:
        session.rollback()
        errors = error.errors or [FieldError("", error.detail)]
    else:
        return redirect(ADDRESS, "secret-set")
    shown = {name: value for name, value in values.items() if name != "value"}
    return renderer_of(request).respond(request, _page(session, settings, principal, shown, errors), status_code=422)


@post(f"{ADDRESS}/{{name:str}}/remove", guards=ADMIN, sync_to_thread=True)
def remove_secret(name: FromPath[str], session: OpenSession, settings: AppSettings, principal: Caller) -> Redirect:
    """Forget a secret."""
    SecretService(session, settings).remove(principal, name)
    return redirect(ADDRESS, "secret-removed")


def _fix(error: Any) -> str:
    return sentence(error) if error["type"] == "value_error" else FIXES[str(error["loc"][0])]


def _page(
    session: Session,
    settings: Settings,
    principal: Principal,
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> SecretsPage:
    found = SecretService(session, settings).names(principal)
    uses = EphemeralEnvironmentService(session, settings).uses_of_secrets(principal.tenant_id)
    return SecretsPage(found, uses, principal.may("tenants:admin"), values or {}, errors)


ROUTES = (show_secrets, set_secret, remove_secret)
