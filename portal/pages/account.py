"""The page of access tokens: list, make with scopes and expiry, shown once, revoke."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from catalog.clock import now
from catalog.errors import FieldError, InvalidInputError
from catalog.tenancy import AREAS, LEVELS
from catalog.tenants.models import CreateToken, NewToken, TokenRead
from catalog.tenants.service import TenantService, read_token
from portal.auth.guards import requires
from portal.boundary import Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect

LIFETIMES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"))
AREA_NAMES = {
    "assets": "Marketplace",
    "environments": "Environments",
    "operations": "Operations",
    "tenants": "Tokens and members",
    "events": "Events",
    "feeds": "Feeds",
}
LEVEL_NAMES = {"read": "read", "write": "read and change", "admin": "administer"}


@dataclass(frozen=True)
class TokensPage(Page):
    """The tenant's tokens and the form for a new one; ``created`` is shown this one time."""

    template: ClassVar[str] = "tenants/tokens.html"

    tokens: Sequence[TokenRead]
    grantable: Collection[str]
    created: NewToken | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    chosen_scopes: Collection[str] = ()
    errors: Sequence[FieldError] = ()
    lifetimes: Sequence[tuple[str, str]] = LIFETIMES
    moment: datetime = field(default_factory=now)

    @property
    def scope_groups(self) -> list[tuple[str, str, list[tuple[str, str]]]]:
        """Return each area, its name, and the scopes of it that the reader may hand on, each with its name."""
        groups = []
        for area in AREAS:
            scopes = [(f"{area}:{level}", LEVEL_NAMES[level]) for level in LEVELS]
            own = [(scope, name) for scope, name in scopes if scope in self.grantable]
            if own:
                groups.append((area, AREA_NAMES.get(area, area.capitalize()), own))
        return groups

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer.split("/")[1:2] == [name])

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        places = {
            "name": ("Name", "field-name"),
            "scopes": ("What it may do", "field-scopes"),
            "expires_in_days": ("Valid for", "field-expires-in-days"),
        }
        return [(*places.get(each.pointer.split("/")[1], ("", "")), each.detail) for each in self.errors]

    def state(self, token: TokenRead) -> str:
        """Return ``active``, ``expired`` or ``revoked``."""
        if token.revoked_at is not None:
            return "revoked"
        return "expired" if token.expires_at is not None and token.expires_at <= self.moment else "active"


@get("/tenants/tokens", guards=[requires("tenants:read")], sync_to_thread=True)
def show_tokens(request: WebRequest, session: OpenSession, principal: Caller) -> Response[str]:
    """Show the tenant's tokens."""
    tokens = [read_token(each) for each in TenantService(session).tokens(principal.tenant_id)]
    return renderer_of(request).respond(request, TokensPage(tokens, principal.scopes))


@post("/tenants/tokens", guards=[requires("tenants:admin")], sync_to_thread=True)
def create_token(request: WebRequest, data: SentForm, session: OpenSession, principal: Caller) -> Response[str]:
    """Make a token and show its secret, this one time."""
    fields = sent_fields(data)
    values = last_values(fields)
    scopes = [scope for scope in fields.get("scopes", ()) if scope]
    days = values.get("expires_in_days", "")
    service = TenantService(session)
    created = None
    errors: Sequence[FieldError] = ()
    try:
        # What is no number is refused as the number of days that it is not.
        asked = CreateToken(
            name=values.get("name", ""), scopes=scopes, expires_in_days=int(days) if days.isdecimal() else 0
        )
        created = service.create_token(principal, asked)
    except InvalidInputError as error:
        session.rollback()
        errors = error.errors
    tokens = [read_token(each) for each in service.tokens(principal.tenant_id)]
    page = TokensPage(
        tokens,
        principal.scopes,
        created=created,
        values=values if errors else {},
        chosen_scopes=scopes if errors else (),
        errors=errors,
    )
    return renderer_of(request).respond(request, page, status_code=422 if errors else 201)


@post("/tenants/tokens/{token_id:uuid}/revoke", guards=[requires("tenants:admin")], sync_to_thread=True)
def revoke_token(token_id: FromPath[UUID], session: OpenSession, principal: Caller) -> Redirect:
    """Revoke a token at once."""
    TenantService(session).revoke_token(principal, token_id)
    return redirect("/tenants/tokens", "token-revoked")


ROUTES = (show_tokens, create_token, revoke_token)
