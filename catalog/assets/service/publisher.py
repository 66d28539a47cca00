"""A publisher as others see it: its assets, how it is verified, and what is measured without naming anybody."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from catalog.assets import queries
from catalog.assets.errors import AssetNotFoundError
from catalog.assets.findings import printable
from catalog.assets.models import AssetRead
from catalog.assets.references import is_name
from catalog.assets.service.reading import asset_read
from catalog.assets.service.usage import Usage
from catalog.assets.usage import queries as usage
from catalog.assets.usage.models import PublisherRead, Totals


class Publisher(Usage):
    """What anyone may ask about a namespace of which it sees something."""

    def publisher(self, tenant_id: UUID, namespace: str) -> PublisherRead:
        """Return a publisher with those of its assets that the tenant may see and choose.

        Raises ``AssetNotFoundError`` where there are none, unless the namespace is the tenant's own.
        """
        is_own = namespace in queries.namespaces(self._session, tenant_id)
        found = queries.assets_of(self._session, tenant_id, namespace) if is_name(namespace) else []
        view = self.catalog_view(tenant_id)
        shown = [each for each in found if view.offers(each.namespace, each.name)]
        if not shown and not is_own:
            raise AssetNotFoundError(f"There is no publisher {printable(namespace[:63])}, or you see nothing of it.")
        totals = usage.totals(self._session, [each.id for each in shown])
        self._bind_to_ranges(tenant_id, {each.id: each for each in shown})
        return PublisherRead(
            namespace=namespace,
            owned=is_own,
            verified_publisher=next((each.verified_publisher for each in shown if each.verified_publisher), None),
            assets=[asset_read(each, tenant_id) for each in shown],
            totals=together(list(totals.values())),
        )

    def totals(self, tenant_id: UUID, namespace: str, name: str) -> Totals | None:
        """Return what is measured of an asset across tenants, None while too few run it to say so."""
        asset = self._asset(tenant_id, namespace, name)
        return usage.totals(self._session, [asset.id]).get(asset.id)

    def digests(self, tenant_id: UUID, assets: Sequence[AssetRead]) -> dict[str, str]:
        """Return the digests (hex) of the versions that stand for assets, by ``namespace/name``, in one statement."""
        shown = [(each.namespace, each.name, each.latest_version) for each in assets if each.latest_version]
        found = queries.digests(self._session, tenant_id, shown) if shown else []
        return {f"{namespace}/{name}": digest for namespace, name, digest in found}

    def measure(self, moment: datetime) -> int:
        """Measure every asset across tenants; needs a session of the system role. Returns how many can be shown."""
        return usage.measure(self._session, moment)


def together(totals: Sequence[Totals]) -> Totals | None:
    """Return the figures of several assets as one: sums of what runs, means of rates, the widest reach."""
    if not totals:
        return None
    rates = [each.success_percent for each in totals if each.success_percent is not None]
    lags = [each.lag_days for each in totals if each.lag_days is not None]
    return Totals(
        tenants=max(each.tenants for each in totals),
        installs=sum(each.installs for each in totals),
        success_percent=sum(rates) // len(rates) // 5 * 5 if rates else None,
        lag_days=sum(lags) // len(lags) if lags else None,
        measured_at=min(each.measured_at for each in totals),
    )
