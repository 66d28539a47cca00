"""The values that an installation already has for an input, offered beside its field, of the caller's tenant alone."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session

from catalog.assets.models import SearchQuery
from catalog.assets.service import AssetService
from catalog.environments.models import Phase
from catalog.environments.service import EphemeralEnvironmentService
from catalog.forms.offers import read_offer
from catalog.releases.service import ReleaseService
from catalog.settings import Settings
from catalog.tenancy import Principal

MOST = 100
"""How many values are offered; any other is written freely."""
_LIVING = tuple(each for each in Phase if each is not Phase.DESTROYED)


class OptionSources:
    """Answers the hints of one form; each question is asked once."""

    def __init__(self, session: Session, settings: Settings, principal: Principal) -> None:
        self._session, self._settings, self._principal = session, settings, principal
        self._answers: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[str, ...]] = {}
        self._sources: Mapping[str, tuple[str, Callable[[Mapping[str, str]], set[str]]]] = {
            "assets": ("assets:read", self._assets),
            "environments": ("environments:read", self._environments),
            "repositories": ("environments:read", self._repositories),
            "services": ("releases:read", self._services),
            "teams": ("releases:read", self._teams),
        }

    def __call__(self, hint: Mapping[str, Any], value: Any) -> tuple[str, ...]:
        """Return the values for an input, in order; none where the hint names no source or the caller may not read it.

        ``value`` is what the form holds, which filters may refer to.
        """
        try:
            offer = read_offer(hint)
        except ValueError:
            return ()
        filters = offer.filled(value) if offer is not None else None
        if offer is None or filters is None:
            return ()
        scope, ask = self._sources[offer.source]
        if not self._principal.may(scope):
            return ()
        key = (offer.source, tuple(sorted(filters.items())))
        if key not in self._answers:
            self._answers[key] = tuple(sorted(ask(filters))[:MOST])
        return self._answers[key]

    def _assets(self, filters: Mapping[str, str]) -> set[str]:
        try:
            query = SearchQuery.model_validate({**filters, "limit": MOST})
        except ValidationError:
            return set()
        found = AssetService(self._session).search(self._principal.tenant_id, query)
        return {f"{each.namespace}/{each.name}" for each in found.items}

    def _environments(self, filters: Mapping[str, str]) -> set[str]:
        service = EphemeralEnvironmentService(self._session, self._settings)
        rows = service.page(self._principal.tenant_id, _LIVING, limit=MOST)
        wanted = filters.get("repository")
        return {each.name for each in rows if wanted is None or each.repository == wanted}

    def _repositories(self, _: Mapping[str, str]) -> set[str]:
        service = EphemeralEnvironmentService(self._session, self._settings)
        return {each.repository for each in service.page(self._principal.tenant_id, limit=MOST)}

    def _services(self, filters: Mapping[str, str]) -> set[str]:
        wanted = filters.get("owner")
        rows = ReleaseService(self._session).services(self._principal.tenant_id)
        return {each.name for each in rows if wanted is None or each.owner == wanted}

    def _teams(self, _: Mapping[str, str]) -> set[str]:
        return {each.owner for each in ReleaseService(self._session).services(self._principal.tenant_id) if each.owner}
