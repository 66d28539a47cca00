"""The page of standard clients: the addresses of the tenant's doors, and how each client is pointed at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from litestar import Response, get

from portal.auth.guards import requires
from portal.boundary import AppSettings, Caller, WebRequest
from portal.pages.forms import renderer_of
from portal.pages.render import Page
from portal.pages.using import Use, index_url, opa_configuration, upload_url


@dataclass(frozen=True)
class ClientsPage(Page):
    """The addresses of one tenant's doors, and what to copy for each client."""

    template: ClassVar[str] = "clients/index.html"

    tenant: str
    base_url: str
    may_make_tokens: bool

    @property
    def doors(self) -> Sequence[tuple[str, str, str, str]]:
        """Return name, address, what uses it, and the scope that a token needs there."""
        door = f"{self.base_url}/t/{self.tenant}"
        return (
            ("Index", f"{door}/simple/", "pip, uv, Poetry, Renovate", "assets:read"),
            ("Upload", upload_url(self.base_url, self.tenant), "twine, uv publish", "assets:write"),
            ("Policy bundles", f"{door}/bundles/NAMESPACE/NAME", "OPA", "assets:read"),
        )

    @property
    def install(self) -> Sequence[Use]:
        """Return how packages are installed."""
        index = index_url(self.base_url, self.tenant)
        setting = (
            f'[[tool.uv.index]]\nname = "slipway"\nurl = "{self.base_url}/t/{self.tenant}/simple/"\nexplicit = true\n\n'
            '[tool.uv.sources]\nPROJECT = { index = "slipway" }'
        )
        return (
            Use("pip", f'pip install --index-url "{index}" PROJECT'),
            Use("uv", f'uv pip install --index-url "{index}" PROJECT'),
            Use("uv, in pyproject.toml", setting, "configuration"),
        )

    @property
    def publish(self) -> Sequence[Use]:
        """Return how wheels are published."""
        upload = upload_url(self.base_url, self.tenant)
        return (
            Use("twine", f"twine upload --repository-url {upload} \\\n  -u __token__ -p $SLIPWAY_TOKEN dist/*.whl"),
            Use("uv", f"uv publish --publish-url {upload} \\\n  --token $SLIPWAY_TOKEN dist/*.whl"),
        )

    @property
    def policies(self) -> Sequence[Use]:
        """Return how OPA is configured."""
        text = opa_configuration(self.base_url, self.tenant, "slipway", "baseline")
        return (Use("OPA", text, "configuration"),)


@get("/clients", guards=[requires("assets:read")], sync_to_thread=False)
def show_clients(request: WebRequest, principal: Caller, settings: AppSettings) -> Response[str]:
    """Show the addresses of the tenant's doors."""
    page = ClientsPage(principal.tenant_name, settings.base_url, may_make_tokens=principal.may("tenants:admin"))
    return renderer_of(request).respond(request, page)


ROUTES = (show_clients,)
