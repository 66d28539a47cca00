"""Reading: installs with how their versions stand, plans, and the chain of revisions."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from catalog.assets.models import AssetVersion, VersionState
from catalog.assets.service.replacing import unseen
from catalog.assets.versions import parse_version
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import SlipwayError
from catalog.installs import queries, rules
from catalog.installs.errors import RevisionDamagedError
from catalog.installs.files import File, listed, unpack
from catalog.installs.models import Install, InstallOutcome, InstallPlan, InstallRevision, InstallState
from catalog.installs.service.approving import Approving
from catalog.installs.shapes import InstallFilter, InstallRead, OutcomeRead, PlanRead, RevisionRead, Standing
from catalog.providers.blobs import BlobError, BlobStore

LOOKED_AT_ONCE = 500
LOOKED_AT_MOST = 2000
"""How many installs one request looks at; where it stops, the next one goes on."""
_OLD = frozenset({VersionState.DEPRECATED, VersionState.ARCHIVED})
_BAD = frozenset({VersionState.YANKED, VersionState.REVOKED, VersionState.QUARANTINED})


class PageOfInstalls(NamedTuple):
    """A page of installs; ``following`` is where the next one begins, None where there is no more.

    It holds fewer than were asked for, even none, where as many as one request may look at were looked at.
    """

    items: list[InstallRead]
    following: tuple[datetime, UUID] | None


class Reading(Approving):
    """What a tenant may know of its own installs."""

    def get(self, tenant_id: UUID, install_id: UUID) -> InstallRead:
        """Return an install; raise ``InstallNotFoundError`` where the tenant has none of that id."""
        return self._read(tenant_id, [self._install(tenant_id, install_id)])[0]

    def several(self, tenant_id: UUID, ids: Sequence[UUID]) -> Sequence[Install]:
        """Return those of some installs that there are, in no order."""
        return queries.by_ids(self._session, tenant_id, ids)

    def read(self, install: Install) -> InstallRead:
        """Return an install as others read it."""
        return self._read(install.tenant_id, [install])[0]

    def page(
        self,
        tenant_id: UUID,
        chosen: InstallFilter,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> PageOfInstalls:
        """Return installs, newest first; ``before`` is the creation time and id of the last one already seen.

        Whether a version is outdated, deprecated or vulnerable is looked up, ``LOOKED_AT_ONCE`` at a time, until so
        many are found or ``LOOKED_AT_MOST`` were looked at.
        """
        wanted = {
            name: value
            for name in ("outdated", "deprecated", "vulnerable")
            if (value := getattr(chosen, name)) is not None
        }
        carried = self._proofs().carrying(tenant_id, chosen.package, chosen.versions) if chosen.package else None
        if not wanted and carried is None:
            rows = queries.page(self._session, tenant_id, chosen, before, limit + 1)
            found = self._read(tenant_id, rows[:limit])
            return PageOfInstalls(found, _place(found[-1]) if len(rows) > limit else None)
        found, looked_at = [], 0
        while len(found) <= limit:
            if looked_at >= LOOKED_AT_MOST:
                return PageOfInstalls(found, before)
            rows = queries.page(self._session, tenant_id, chosen, before, LOOKED_AT_ONCE)
            inside = rows
            if carried is not None:
                current = queries.current_revisions(self._session, tenant_id, rows)
                inside = [each for each in rows if each.id in current and digests_in(current[each.id]) & carried.keys()]
            read = self._read(tenant_id, inside)
            found += [each for each in read if all(_is(each, name) == value for name, value in wanted.items())]
            if len(rows) < LOOKED_AT_ONCE:
                break
            before, looked_at = _place(rows[-1]), looked_at + len(rows)
        return PageOfInstalls(found[:limit], _place(found[limit - 1]) if len(found) > limit else None)

    def plan(self, tenant_id: UUID, plan_id: UUID) -> PlanRead:
        """Return a plan; raise ``InstallNotFoundError`` where the tenant has none of that id."""
        row = self._plan(tenant_id, plan_id)
        return read_plan(row).model_copy(update={"approvals": self._approvals_of(row)})

    def plans(self, tenant_id: UUID, install_id: UUID) -> list[PlanRead]:
        """Return the latest plans of an install, newest first."""
        return [read_plan(each) for each in queries.plans(self._session, tenant_id, install_id)]

    def revisions(self, tenant_id: UUID, install_id: UUID) -> list[RevisionRead]:
        """Return the revisions of an install, newest first, each with what became of it."""
        self._install(tenant_id, install_id)
        rows = queries.revisions(self._session, tenant_id, install_id)
        lines = queries.outcomes(self._session, tenant_id, [each.id for each in rows])
        return [read_revision(each, lines.get(each.id, ())) for each in reversed(rows)]

    def revision(self, tenant_id: UUID, install_id: UUID, number: int) -> RevisionRead:
        """Return one revision; raise ``InstallNotFoundError`` where there is none of that number."""
        self._install(tenant_id, install_id)
        row = self._revision(tenant_id, install_id, number)
        return read_revision(row, queries.outcomes(self._session, tenant_id, [row.id]).get(row.id, ()))

    def files_of(self, tenant_id: UUID, install_id: UUID, number: int, blobs: BlobStore) -> dict[str, File]:
        """Return every file of a revision, byte for byte as it was recorded.

        The whole chain up to it is checked, and each file against its digest. Raises ``RevisionDamagedError`` where
        anything is not what was recorded, or is not there any more.
        """
        parent: str | None = None
        wanted: InstallRevision | None = None
        for row in queries.revisions(self._session, tenant_id, install_id):
            if row.number > number:
                break
            if row.parent_digest != parent or rules.chained(row.content, parent) != row.content_digest:
                raise RevisionDamagedError(f"Revision {row.number} is not what was recorded.")
            parent, wanted = row.content_digest, row
        if wanted is None or wanted.number != number:
            self._revision(tenant_id, install_id, number)
        files = kept_files(wanted, blobs) if wanted is not None else {}
        recorded = wanted.content["files"] if wanted is not None else []
        if listed(files) != recorded:
            raise RevisionDamagedError(f"The files of revision {number} are not those that were recorded.")
        return files

    def strategy_of(self, tenant_id: UUID, service: str) -> RevisionRead | None:
        """Return the revision that says how releases of a service move, None where none is installed."""
        bound = [each for each in queries.of(self._session, tenant_id, "strategy") if each.target["service"] == service]
        found = queries.current_revisions(self._session, tenant_id, [e for e in bound if e.applied_revision])
        return next((read_revision(each, ()) for each in found.values()), None)

    def _proofs(self) -> SupplyChainAttestationService:
        return SupplyChainAttestationService(self._session, self._settings)

    def _read(self, tenant_id: UUID, rows: Sequence[Install]) -> list[InstallRead]:
        current = queries.current_revisions(self._session, tenant_id, rows)
        every = {digest for each in current.values() for digest in digests_in(each)}
        open_ones = self._proofs().vulnerable(tenant_id, every) if every else {}
        lines = queries.outcomes(self._session, tenant_id, [each.id for each in current.values()])
        newest: dict[str, str | None] = {}
        found = []
        for row in rows:
            revision = current.get(row.id)
            own = lines.get(revision.id, []) if revision else []
            values = {name: getattr(row, name) for name in InstallRead.model_fields if name not in _DERIVED}
            standing = None if revision is None else self._standing(tenant_id, row, revision, newest)
            if standing is not None and revision is not None:
                names = {each.name for digest in digests_in(revision) for each in open_ones.get(digest, ())}
                told = {"vulnerabilities": sorted(names), "vulnerable": standing.vulnerable or bool(names)}
                standing = standing.model_copy(update=told)
            outputs = own[-1].outputs if own else {}
            parts = {"standing": standing, "outputs": outputs, "proposed": self._proposed(row)}
            found.append(InstallRead.model_validate({**values, **parts}))
        return found

    def _proposed(self, install: Install) -> dict[str, Any]:
        if install.state is not InstallState.WAITING or install.desired_revision is None:
            return {}
        row = self._revision(install.tenant_id, install.id, install.desired_revision)
        lines = queries.outcomes(self._session, install.tenant_id, [row.id]).get(row.id, [])
        return lines[-1].outputs if lines else {}

    def _standing(
        self, tenant_id: UUID, install: Install, revision: InstallRevision, newest: dict[str, str | None]
    ) -> Standing:
        namespace, _, name = install.asset.partition("/")
        version = str(revision.content["version"])
        if install.asset not in newest:
            try:
                newest[install.asset] = self._assets.get(tenant_id, namespace, name).latest_version
            except SlipwayError:
                newest[install.asset] = None
        latest = newest[install.asset]
        parts = [self._known(tenant_id, entry) for entry in revision.content["lock"]]
        own = self._known(tenant_id, {"asset": install.asset, "version": version})
        outdated = latest is not None and parse_version(latest) > parse_version(version)
        return Standing(
            version=version,
            state=str(own.state) if own else "withdrawn",
            reason=own.state_reason if own else None,
            replacement=None if own is None or unseen(self._session, tenant_id, [own.replacement]) else own.replacement,
            newest=latest,
            outdated=outdated and install.state is not InstallState.REMOVED,
            vulnerable=any(each is None or each.state in _BAD for each in parts),
        )

    def _known(self, tenant_id: UUID, entry: dict[str, str]) -> AssetVersion | None:
        namespace, _, name = entry["asset"].partition("/")
        try:
            return self._assets.version(tenant_id, namespace, name, entry["version"])
        except SlipwayError:
            return None


def digests_in(revision: InstallRevision) -> set[str]:
    """Return the SHA-256 digests (hex) of every archive in a revision's lock."""
    return {str(each["digest"]).removeprefix("sha256:") for each in revision.content["lock"]}


def kept_files(revision: InstallRevision, blobs: BlobStore) -> dict[str, File]:
    """Return the files of a revision out of the store; raise ``RevisionDamagedError`` where they are not there."""
    if revision.files_blob is None:
        return {}
    try:
        data = blobs.read(revision.files_blob)
    except BlobError as error:
        raise RevisionDamagedError(f"The files of revision {revision.number} cannot be read: {error}.") from None
    if hashlib.sha256(data).hexdigest() != revision.files_blob:
        raise RevisionDamagedError(f"The files of revision {revision.number} are not those that were recorded.")
    return {path: file for path, file in unpack(data).items() if file is not None}


def read_plan(plan: InstallPlan) -> PlanRead:
    """Return a plan as others read it."""
    return PlanRead.model_validate(plan)


def read_revision(revision: InstallRevision, lines: Sequence[InstallOutcome]) -> RevisionRead:
    """Return a revision as others read it."""
    values = {name: getattr(revision, name) for name in RevisionRead.model_fields if name != "outcomes"}
    return RevisionRead.model_validate({**values, "outcomes": [OutcomeRead.model_validate(each) for each in lines]})


def _place(install: Install | InstallRead) -> tuple[datetime, UUID]:
    return install.created_at, install.id


def _is(install: InstallRead, name: str) -> bool:
    standing = install.standing
    if standing is None:
        return False
    if name == "deprecated":
        return standing.state in {str(each) for each in _OLD}
    return bool(getattr(standing, name))


_DERIVED = {"standing", "outputs", "proposed"}
