"""Release strategies: an install binds how a blueprint moves releases to one service; rollouts read it there."""

from typing import Any

from catalog.installs.service import Draft
from catalog.releases.service import ReleaseService
from workers.installers import Bench
from workers.installers.ledger_entry import LedgerEntry


def _told(draft: Draft, bench: Bench) -> dict[str, Any]:
    service = draft.head["target"]["service"]
    with bench.session() as session:
        known = ReleaseService(session).named(draft.tenant_id, service)
    spec = draft.version.manifest["spec"].get("strategy", {})
    steps = [each for each in spec.get("steps", ()) if isinstance(each, dict)]
    return {"service": service, "known": known is not None, "type": spec.get("type"), "steps": steps}


INSTALLER = LedgerEntry("strategy", _told)
