"""What resolutions have read of assets, kept by one process for the next: a version's content never changes.

What does change, such as states, whom an asset is shared with and which versions there are, is compared with the
database at every resolution: an asset is taken from here only where the tenant would read the very same rows again.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from catalog.assets.resolver.universe import Listing

MOST_RELEASES = 20_000
"""How many versions, of all tenants together, a process keeps at the most."""

Path = tuple[str, str]


@dataclass(frozen=True)
class Kept:
    """What one tenant sees of one asset; ``mark`` stands for the rows, ``needs`` are the assets that lie behind it.

    ``listing`` is None where the tenant sees no version, or no asset.
    """

    mark: bytes
    listing: Listing | None
    needs: frozenset[Path]


NOTHING_SEEN = Kept(b"", None, frozenset())


class Keeper:
    """Assets by tenant, so that none learns from it what others ask for; safe to use from any thread."""

    def __init__(self, most: int = MOST_RELEASES) -> None:
        self._most = most
        self._count = 0
        self._kept: OrderedDict[tuple[UUID, Path], Kept] = OrderedDict()
        self._lock = Lock()

    def within_reach(self, tenant_id: UUID, named: Iterable[Path]) -> dict[Path, Kept | None]:
        """Return the named assets and those behind them as they were last seen, None for what is not kept."""
        found: dict[Path, Kept | None] = {}
        waiting = list(named)
        with self._lock:
            while waiting:
                path = waiting.pop()
                if path in found:
                    continue
                kept = found[path] = self._kept.get((tenant_id, path))
                if kept is not None:
                    self._kept.move_to_end((tenant_id, path))
                    waiting += kept.needs
        return found

    def keep(self, tenant_id: UUID, path: Path, kept: Kept) -> None:
        """Keep an asset in place of what was kept of it, and forget what was not used for longest."""
        with self._lock:
            before = self._kept.pop((tenant_id, path), None)
            self._kept[tenant_id, path] = kept
            self._count += _weight(kept) - (0 if before is None else _weight(before))
            while self._count > self._most:
                _, forgotten = self._kept.popitem(last=False)
                self._count -= _weight(forgotten)

    def forget(self) -> None:
        """Keep nothing any more of what was kept until now."""
        with self._lock:
            self._kept.clear()
            self._count = 0


def mark_of(rows: Sequence[str]) -> bytes:
    """Return what stands for the marks of all rows of an asset, as the database puts them together."""
    return hashlib.sha256("\n".join(sorted(rows)).encode()).digest()


def _weight(kept: Kept) -> int:
    return 1 if kept.listing is None else len(kept.listing.releases)
