"""Connections to source code management: none, several with long names and missing rights, a new one, a wrong one."""

from datetime import UTC, datetime
from uuid import UUID

from catalog.errors import FieldError
from catalog.scm.models import ScmCondition, ScmConnectionMade, ScmConnectionRead, ScmRepositoryRead
from portal.pages.render import Page
from portal.pages.scm import ConnectionsPage

ID = UUID("6f1c7a52-3c6e-4a0c-9a4e-6b1a5d1f2c3d")
OTHER = UUID("7d3e2b10-52ab-4c1f-8a55-0f6c3d3e8a11")
NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LONG = "a-very-long-name-that-somebody-chose-without-thinking-of-the"
MISSING = ScmCondition(
    type="Right:pull_requests",
    status=False,
    message="The account needs the permission 'Contribute to pull requests' in the security of the repository.",
)


def _repository(address: str, *conditions: ScmCondition) -> ScmRepositoryRead:
    return ScmRepositoryRead(id=ID, address=address, open_pull_requests=3, conditions=list(conditions), polled_at=NOW)


def _connection(name: str, provider: str, base_url: str, *repositories: ScmRepositoryRead) -> ScmConnectionRead:
    return ScmConnectionRead(
        id=ID,
        name=name,
        provider=provider,
        base_url=base_url,
        hook_url=f"https://slipway.example/hooks/{provider.replace('_', '-')}?connection=c3BhbSBhbmQgZWdncw",
        problem=None,
        repositories=list(repositories),
        created_by="Ann",
        created_at=NOW,
        used_at=NOW if repositories else None,
    )


def pages() -> dict[str, Page]:
    """Return the sample pages by name."""
    azure = _connection(
        "azure",
        "azure_devops",
        "https://dev.azure.com/acme",
        _repository("https://dev.azure.com/acme/shop/_git/web"),
        _repository(f"https://dev.azure.com/acme/{LONG}/_git/{LONG}", MISSING),
    )
    github = _connection(LONG, "github", "https://github.com").model_copy(update={"id": OTHER})
    made = ScmConnectionMade(**azure.model_dump(), hook_secret="mJ0vWmF3b3JkIGlzIG5vdCBhIHNlY3JldCBoZXJl")
    wrong = (
        FieldError("/base_url", "An administrator adds servers with SLIPWAY_SCM_SERVERS."),
        FieldError("/credentials/client_id", "Fill this in."),
    )
    values = {"name": "azure", "base_url": "https://dev.example.com"}
    no_address = {"address": "acme/web", "connection": str(OTHER)}
    misspelled = (
        FieldError("/address", "'acme/web' is no repository on GitHub. Write https://github.com/OWNER/NAME."),
    )
    return {
        "connections": ConnectionsPage([azure, github], may_change=True, way="azure-token"),
        "connections-empty": ConnectionsPage([], may_change=False),
        "connections-made": ConnectionsPage([azure], may_change=True, way="github-app", made=made),
        "connections-misspelled": ConnectionsPage([github], may_change=True, values=no_address, errors=misspelled),
        "connections-errors": ConnectionsPage(
            [github], may_change=True, way="azure-principal", values=values, errors=wrong
        ),
    }
