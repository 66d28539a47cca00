"""Component packages: an install pins the version that blueprints and programs of the tenant use."""

from typing import Any

from catalog.assets.service import AssetService
from catalog.installs.service import Draft
from workers.installers import Bench
from workers.installers.ledger_entry import LedgerEntry


def _told(draft: Draft, bench: Bench) -> dict[str, Any]:
    namespace, _, name = draft.head["asset"].partition("/")
    with bench.session() as session:
        found = AssetService(session).used_by(draft.tenant_id, namespace, name)
    dependents = sorted({f"{each.namespace}/{each.name}" for each in found.dependents if each.owned})
    return {"reference": f"{draft.head['asset']}=={draft.head['version']}", "own_dependents": dependents}


INSTALLER = LedgerEntry("pin", _told)
