"""The page of connections to source code management: make one, follow repositories through it, rotate, disconnect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import ValidationError
from sqlmodel import Session

from catalog.errors import FieldError, SlipwayError
from catalog.scm.models import ConnectScm, ScmConnectionMade, ScmConnectionRead
from catalog.scm.service import ScmService
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, OpenSession, WebRequest
from portal.pages.forms import SentForm, Text, last_values, renderer_of, sent_fields
from portal.pages.render import Page, redirect
from portal.pages.signing_keys import errors_of

READ = [requires("environments:read")]
ADMIN = [requires("tenants:admin")]
PROVIDERS = {"github": "GitHub", "azure_devops": "Azure DevOps"}
_ADDRESS = "/scm/connections"


@dataclass(frozen=True)
class Credential:
    """One field of what a connection signs in with; ``type`` is that of the input, or ``textarea``."""

    name: str
    label: str
    help: str = ""
    type: str = "text"


@dataclass(frozen=True)
class Way:
    """One way to connect: the provider, as whom, and what is asked for."""

    provider: str
    title: str
    server: str
    server_help: str
    credentials: tuple[Credential, ...]
    needs: str


_GITHUB = ("https://github.com", "Left empty for github.com.")
_AZURE = ("https://dev.azure.com/acme", "Your organisation's address. Left empty, for all that the credentials reach.")
WAYS = {
    "github-token": Way(
        "github",
        "with a token",
        *_GITHUB,
        (Credential("token", "Token", "Sealed, and never shown again.", "password"),),
        "A fine-grained token with Contents, Pull requests, Deployments and Commit statuses: write.",
    ),
    "github-app": Way(
        "github",
        "as a GitHub App",
        *_GITHUB,
        (
            Credential("app_id", "App ID"),
            Credential("installation_id", "Installation ID", "The last part of the address of its installation."),
            Credential("private_key", "Private key", "In PEM. Sealed, and never shown again.", "textarea"),
        ),
        "The App leaves check runs, and shows which of its permissions are missing.",
    ),
    "azure-token": Way(
        "azure_devops",
        "with a token",
        *_AZURE,
        (Credential("token", "Personal access token", "Sealed, and never shown again.", "password"),),
        "With the scopes Code (read & write), Code (status) and Project and team (read).",
    ),
    "azure-principal": Way(
        "azure_devops",
        "as a service principal",
        *_AZURE,
        (
            Credential("directory_id", "Directory (tenant) ID"),
            Credential("client_id", "Application (client) ID"),
            Credential("client_secret", "Client secret", "Sealed, and never shown again.", "password"),
        ),
        "A service principal of Microsoft Entra ID that was added to the organisation and may contribute.",
    ),
}
_FIRST = next(iter(WAYS))
_LABELS = {"name": "Name", "base_url": "Server", "address": "Repository"}


@dataclass(frozen=True)
class ConnectionsPage(Page):
    """The tenant's connections and the form for another; ``made`` has a secret that is shown this one time."""

    template: ClassVar[str] = "scm/connections.html"

    connections: Sequence[ScmConnectionRead]
    may_change: bool
    way: str = _FIRST
    made: ScmConnectionMade | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()

    @property
    def chosen(self) -> Way:
        """Return the way whose form is shown."""
        return WAYS[self.way]

    @property
    def tabs(self) -> list[tuple[str, str, str, None]]:
        """Return a tab for each provider, which leads to the first way to connect to it."""
        first = {each.provider: key for key, each in reversed(WAYS.items())}
        return [(name, title, f"{_ADDRESS}?way={first[name]}", None) for name, title in PROVIDERS.items()]

    @property
    def other_ways(self) -> list[tuple[str, str]]:
        """Return title and address of the other ways to connect to the provider that is shown."""
        return [
            (each.title, f"{_ADDRESS}?way={key}")
            for key, each in WAYS.items()
            if each.provider == self.chosen.provider and key != self.way
        ]

    def provider(self, connection: ScmConnectionRead) -> str:
        """Return what a provider is called."""
        return PROVIDERS.get(connection.provider, connection.provider)

    def error(self, name: str) -> str:
        """Return what is wrong with a field, "" where nothing is."""
        return " ".join(each.detail for each in self.errors if each.pointer.rpartition("/")[2] == name)

    @property
    def error_list(self) -> list[tuple[str, str, str]]:
        """Return label, element id and text of every error, for the summary at the top."""
        labels = _LABELS | {each.name: each.label for each in self.chosen.credentials}
        places = {name: f"field-{name.replace('_', '-')}" for name in labels}
        places["address"] = f"follow-{self.values.get('connection', '')}"
        names = [each.pointer.rpartition("/")[2] for each in self.errors]
        return [
            (labels.get(name, ""), places.get(name, ""), each.detail)
            for name, each in zip(names, self.errors, strict=True)
        ]

    def misspelled(self, connection: ScmConnectionRead) -> str:
        """Return what is wrong with the repository to follow through a connection, "" where nothing is."""
        return self.error("address") if self.values.get("connection") == str(connection.id) else ""


@get(_ADDRESS, guards=READ, sync_to_thread=True)
def show_connections(
    request: WebRequest, session: OpenSession, settings: AppSettings, principal: Caller, way: Text = None
) -> Response[str]:
    """Show the tenant's connections and the form of one way to connect."""
    chosen = way if way in WAYS else _FIRST
    return renderer_of(request).respond(request, _page(session, settings, principal, chosen))


@post(_ADDRESS, guards=ADMIN, sync_to_thread=True)
def connect(
    request: WebRequest, data: SentForm, session: OpenSession, settings: AppSettings, principal: Caller
) -> Response[str]:
    """Connect, and show the secret for the hooks, this one time."""
    values = last_values(sent_fields(data))
    chosen = values.get("way", "") if values.get("way", "") in WAYS else _FIRST
    way, secret = WAYS[chosen], {"password", "textarea"}
    credentials = {each.name: values.get(each.name, "").strip() for each in way.credentials}
    missing = [FieldError(f"/credentials/{name}", "Fill this in.") for name, value in credentials.items() if not value]
    made = None
    errors: Sequence[FieldError] = missing
    if not missing:
        try:
            asked = ConnectScm(
                name=values.get("name", ""),
                provider=way.provider,
                base_url=values.get("base_url", ""),
                credentials=credentials,
            )
            made = ScmService(session, settings).connect(principal, asked)
        except (ValidationError, SlipwayError) as error:
            session.rollback()
            errors = errors_of(error)
    hidden = {each.name for each in way.credentials if each.type in secret}
    kept = {name: value for name, value in values.items() if name not in hidden} if errors else {}
    page = _page(session, settings, principal, chosen, made, kept, errors)
    return renderer_of(request).respond(request, page, status_code=422 if errors else 201)


@post(f"{_ADDRESS}/{{connection_id:uuid}}/rotate", guards=ADMIN, sync_to_thread=True)
def rotate_secret(
    request: WebRequest,
    connection_id: FromPath[UUID],
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str]:
    """Make another secret for a connection's hooks, and show it, this one time."""
    made = ScmService(session, settings).rotate(principal, connection_id)
    return renderer_of(request).respond(request, _page(session, settings, principal, _FIRST, made), status_code=201)


@post(f"{_ADDRESS}/{{connection_id:uuid}}/repositories", guards=ADMIN, sync_to_thread=True)
def follow_repository(
    request: WebRequest,
    connection_id: FromPath[UUID],
    data: SentForm,
    session: OpenSession,
    settings: AppSettings,
    principal: Caller,
) -> Response[str] | Redirect:
    """Look at a repository's pull requests from now on."""
    values = last_values(sent_fields(data)) | {"connection": str(connection_id)}
    try:
        ScmService(session, settings).follow(principal, connection_id, values.get("address", ""))
    except SlipwayError as error:
        if error.status == 404:
            raise
        session.rollback()
        page = _page(session, settings, principal, _FIRST, None, values, errors_of(error))
        return renderer_of(request).respond(request, page, status_code=422)
    return redirect(_ADDRESS, "repository-followed")


@post(f"{_ADDRESS}/{{connection_id:uuid}}/remove", guards=ADMIN, sync_to_thread=True)
def disconnect(
    connection_id: FromPath[UUID], session: OpenSession, settings: AppSettings, principal: Caller
) -> Redirect:
    """Forget a connection with its credentials."""
    ScmService(session, settings).disconnect(principal, connection_id)
    return redirect(_ADDRESS, "scm-disconnected")


def _page(
    session: Session,
    settings: Settings,
    principal: Principal,
    way: str,
    made: ScmConnectionMade | None = None,
    values: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
) -> ConnectionsPage:
    found = ScmService(session, settings).all(principal.tenant_id)
    return ConnectionsPage(found, principal.may("tenants:admin"), way, made, values or {}, errors)


ROUTES = (show_connections, connect, rotate_secret, follow_repository, disconnect)
