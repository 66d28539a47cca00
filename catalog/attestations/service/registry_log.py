"""The registry's log of an asset: what was said of its versions, chained and countersigned, so that history stays.

Each entry holds the hash of the one before, so that nothing can be taken out or changed without every later hash
changing; whoever remembers a hash notices.
"""

import base64
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import rfc8785

from catalog.assets.models import AssetVersion
from catalog.attestations import queries
from catalog.attestations.errors import SigningUnavailableError
from catalog.attestations.models import RegistryRecord
from catalog.attestations.service.base import Base
from catalog.attestations.shapes import AssetLog, LogEntry
from catalog.attestations.signatures import is_valid, key_id, load_public_der, load_public_key, pem
from catalog.errors import NotFoundError
from catalog.providers.signers import SignerError
from catalog.providers.signers.installation import InstallationKey

GENESIS = "0" * 64
"""What stands for the hash before the first entry."""


class RegistryLog(Base):
    """Appends to and proves the logs of assets."""

    def countersign(self, version: AssetVersion, state: str, event_id: UUID, time: datetime) -> None:
        """Append the state that an event gave a version; an event that is in the log already changes nothing.

        Raises ``SigningUnavailableError`` where the registry's key cannot be used now.
        """
        tenant_id = version.tenant_id
        queries.lock(self._session, tenant_id, f"log/{version.asset_id}")
        if queries.has_record(self._session, tenant_id, event_id):
            return
        last = queries.last_record(self._session, tenant_id, version.asset_id)
        record = {
            "asset": f"{version.namespace}/{version.name}",
            "version": version.version,
            "blob": f"sha256:{version.blob_digest}",
            "tree": f"sha256:{version.tree_digest}",
            "state": state,
            "time": time.isoformat(),
            "sequence": 1 if last is None else last.sequence + 1,
            "previous": GENESIS if last is None else last.hash,
        }
        digest = record_hash(record)
        try:
            signature = InstallationKey(self._settings).sign(digest.encode())
        except SignerError as error:
            raise SigningUnavailableError(f"The registry cannot sign its log: {error}.") from None
        self._session.add(
            RegistryRecord(
                tenant_id=tenant_id,
                asset_id=version.asset_id,
                event_id=event_id,
                sequence=int(str(record["sequence"])),
                record=record,
                hash=digest,
                signature=base64.b64encode(signature).decode(),
            )
        )
        self._session.flush()

    def asset_log(self, namespace: str, asset: str) -> AssetLog:
        """Return an asset's log and whether its chain and signatures hold."""
        found = queries.asset_named(self._session, namespace, asset)
        if found is None:
            raise NotFoundError(f"There is no asset {namespace}/{asset}, or you may not see it.")
        try:
            public = pem(load_public_der(InstallationKey(self._settings).public_key()))
        except SignerError as error:
            raise SigningUnavailableError(f"The registry's key cannot be read: {error}.") from None
        entries = [LogEntry.model_validate(each) for each in queries.records(self._session, found.id)]
        fault = find_fault(entries, public)
        return AssetLog(
            asset=f"{namespace}/{asset}",
            entries=entries,
            head=entries[-1].hash if entries else GENESIS,
            is_sound=not fault,
            fault=fault,
            key_id=key_id(load_public_key(public)),
            public_key=public,
        )


def record_hash(record: dict[str, Any]) -> str:
    """Return the hash of a record: SHA-256 over it in canonical JSON (RFC 8785), in hexadecimal."""
    return sha256(rfc8785.dumps(record)).hexdigest()


def find_fault(entries: list[LogEntry], public_key: str) -> str:
    """Return what is wrong with a log, "" where nothing is."""
    key = load_public_key(public_key)
    previous = GENESIS
    for number, entry in enumerate(entries, start=1):
        if entry.sequence != number or entry.record.get("sequence") != number:
            return f"Entry {number} is missing."
        if entry.record.get("previous") != previous:
            return f"Entry {number} does not follow the one before."
        if record_hash(entry.record) != entry.hash:
            return f"Entry {number} was changed."
        if not is_valid(key, base64.b64decode(entry.signature), entry.hash.encode()):
            return f"Entry {number} is not signed by this registry."
        previous = entry.hash
    return ""
