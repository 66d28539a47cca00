"""Tokens of the OCI door: for minutes, for pulling the named assets, and for nothing else.

Semantics are those of the token authentication of OCI registries: a client is told where to ask, asks with its own
credentials for the scope ``repository:NAME:pull``, and shows what it got. Nothing is stored: what is granted is sealed
in the token, together with the digest of the access token that it was given for, which has to be good at every use.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlmodel import Session

from catalog.assets.references import is_name
from catalog.clock import now
from catalog.errors import UnauthorizedError
from catalog.secrets import SecretBox, SecretsUnavailableError
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.tenants.service import SignInService

PREFIX = "slwp_"
LIFE = timedelta(minutes=5)
_PURPOSE = "pull-token"
_SCOPE = "assets:read"
_MOST = 20
_ENDED = "This pull token is not for that, or its five minutes are over. Ask for another."


@dataclass(frozen=True)
class _Grant:
    """What a token says: the digest of the access token behind it, the assets, and when it ends (Unix time)."""

    behind: str
    assets: Sequence[str]
    ends: float


class PullTokens:
    """Makes and reads the tokens of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def issue(self, secret: str, principal: Principal, scopes: Iterable[str]) -> str:
        """Return a token for what was asked for, in so far as the access token ``secret`` may do it."""
        may_read = principal.publishes is None and principal.may(_SCOPE)
        assets = _pulled(scopes) if may_read else []
        ends = (now() + LIFE).timestamp()
        grant = {"behind": SignInService.digest(secret), "assets": assets, "ends": ends}
        return PREFIX + SecretBox(self._settings).seal(_PURPOSE, grant)

    def holder(self, session: Session, token: str, path: str) -> Principal:
        """Return who may ask for ``path`` by a token; raise ``UnauthorizedError`` where nobody may.

        ``session`` must be bound to no tenant.
        """
        grant = self._read(token)
        if grant is None or now().timestamp() >= grant.ends or not _covers(grant.assets, path):
            raise UnauthorizedError(_ENDED)
        found = SignInService(session).by_digest(grant.behind)
        if not found.may(_SCOPE) and grant.assets:
            raise UnauthorizedError(_ENDED)
        return replace(found, scopes=frozenset({_SCOPE}))

    def _read(self, token: str) -> _Grant | None:
        try:
            return _Grant(**SecretBox(self._settings).open(_PURPOSE, token.removeprefix(PREFIX)))
        except (SecretsUnavailableError, TypeError, ValueError):
            return None


def _pulled(scopes: Iterable[str]) -> list[str]:
    """Return the assets for whose pulling is asked, among ``repository:NAME:ACTION,ACTION`` with spaces between."""
    found: dict[str, None] = {}
    for each in (part for scope in scopes for part in scope.split()):
        kind, _, rest = each.partition(":")
        name, _, actions = rest.rpartition(":")
        namespace, slash, asset = name.partition("/")
        if kind == "repository" and "pull" in actions.split(",") and slash and is_name(namespace) and is_name(asset):
            found[name] = None
    return list(found)[:_MOST]


def _covers(assets: Sequence[str], path: str) -> bool:
    return path.rstrip("/") == "/v2" or any(path.startswith(f"/v2/{asset}/") for asset in assets)
