"""Import: a verified layout goes through the one upload door, seen by nobody more, freed of no state."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from catalog.assets.findings import storable
from catalog.assets.models import ChangeVersionState, VersionState
from catalog.assets.service import AssetService
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.predicates import EXPORT
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import NotFoundError, SlipwayError
from catalog.gating import PolicyRefusedError
from catalog.providers.blobs import BlobStore
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import CONFIG_TYPE, CONTENT_TYPE
from catalog.transfers.errors import LayoutRefusedError, LayoutUnsignedError
from catalog.transfers.layout import Layout, blob_path, read_layout
from catalog.transfers.records import Record, StateSaid, layers, read_json, read_record, statements_of
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.service import UploadService

Outcome = Literal["published", "present", "checking", "refused"]
_VERBS = {
    VersionState.DEPRECATED: "deprecate",
    VersionState.ARCHIVED: "retire",
    VersionState.YANKED: "yank",
    VersionState.QUARANTINED: "quarantine",
    VersionState.REVOKED: "revoke",
}
_UNKNOWN = {Reason.UNKNOWN_KEY, Reason.UNKNOWN_IDENTITY, Reason.KEY_RETIRED, Reason.KEYLESS_OFF}
_STRICTNESS = (
    *(VersionState.DRAFT, VersionState.IN_REVIEW, VersionState.PUBLISHED, VersionState.DEPRECATED),
    *(VersionState.ARCHIVED, VersionState.YANKED, VersionState.QUARANTINED, VersionState.REVOKED),
)


class ImportedVersion(BaseModel):
    """What came of one version: ``present`` where these bytes were there before, ``checking`` while a worker looks.

    ``statements`` is how many signed statements are evidence here, ``unknown`` how many are signed by nobody that this
    tenant trusts, and were left out.
    """

    model_config = ConfigDict(frozen=True)

    asset: str = Field(examples=["acme/network"])
    version: str = Field(examples=["1.4.0"])
    outcome: Outcome
    detail: str = ""
    statements: int = 0
    unknown: int = 0


class ImportReport(BaseModel):
    """What came of a layout; ``states`` are the versions whose state was made stricter.

    ``signer`` is who signed the layout, of those that the tenant knows; null where it was accepted without.
    """

    model_config = ConfigDict(frozen=True)

    versions: list[ImportedVersion]
    states: list[str]
    signer: str | None = None


@dataclass(frozen=True)
class _Piece:
    """One version in the layout, with the digests of the statements about it."""

    asset: str
    version: str
    content: str
    config: str
    statements: tuple[str, ...]


class ImportService:
    """One unit of work; each version is taken in by itself, so that one that is refused keeps no other out."""

    def __init__(self, session: Session, settings: Settings, blobs: BlobStore) -> None:
        self._session = session
        self._assets = AssetService(session)
        self._uploads = UploadService(session, blobs)
        self._attestations = SupplyChainAttestationService(session, settings, blobs)

    def bring_in(self, principal: Principal, source: BinaryIO, *, accept_unknown_signer: bool = False) -> ImportReport:
        """Verify a layout and publish what is in it; raise ``LayoutRefusedError`` naming the files where it is damaged.

        The record of its lock and states must be signed with a key, or by an identity, that the tenant knows and has
        not revoked; ``accept_unknown_signer`` takes one that nobody signed, or somebody unknown.
        A new asset is private, one that is there keeps who may see it. Doing it again, or after it broke off, does what
        is left to do.
        """
        principal.require("assets:write")
        layout = read_layout(source)
        statements = statements_of(layout)
        pieces = list(_pieces(layout, statements))
        record = read_record(layout, statements)
        if record.digest:
            _compare(pieces, record)
        signer = self._signer(principal, layout, record, accept_unknown=accept_unknown_signer)
        order = {(each.asset, each.version): index for index, each in enumerate(record.lock)}
        pieces.sort(key=lambda each: order.get((each.asset, each.version), len(order)))
        versions = [self._take_in(principal, layout, piece) for piece in pieces]
        known = {each.asset for each in versions}
        said = [each for each in record.states if each.asset in known]
        states = [line for each in said for line in self._restrict(principal, each)]
        return ImportReport(versions=versions, states=states, signer=signer)

    def _signer(self, principal: Principal, layout: Layout, record: Record, *, accept_unknown: bool) -> str | None:
        refused = LayoutUnsignedError("Nobody signed the record of the export.")
        for seal in record.seals:
            try:
                about = record.digest.removeprefix("sha256:")
                return self._attestations.check_seal(principal.tenant_id, layout.read(seal), about, EXPORT)
            except AttestationRejectedError as error:
                if error.reason not in _UNKNOWN:
                    raise LayoutRefusedError([(blob_path(seal), error.detail)]) from None
                refused = LayoutUnsignedError(
                    f"The record of the export is signed by nobody known here. {error.detail}"
                )
        if not accept_unknown:
            raise refused
        return None

    def _take_in(self, principal: Principal, layout: Layout, piece: _Piece) -> ImportedVersion:
        content = layout.read(piece.content)
        if self._is_here(principal, piece):
            # It may be another publisher's, which the tenant could not publish but sees already.
            evidence, unknown = self._statements(principal, layout, piece)
            return ImportedVersion(
                asset=piece.asset, version=piece.version, outcome="present", statements=evidence, unknown=unknown
            )
        try:
            with self._session.begin_nested():
                found = self._uploads.receive(principal, io.BytesIO(content))
        except LayoutRefusedError:
            raise
        except PackageRejectedError as error:
            detail = " ".join([error.detail, *(each.detail for each in error.errors[:3])])
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="refused", detail=detail)
        except PolicyRefusedError as error:
            error.keep(self._session)
            detail = " ".join([error.detail, *(each.message for each in error.verdict.violations[:3])])
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="refused", detail=detail)
        except SlipwayError as error:
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="refused", detail=error.detail)
        if found.version is None:
            detail = "A worker checks it; import again afterwards for its state and statements."
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="checking", detail=detail)
        if f"sha256:{found.version.manifest_digest}" != piece.config:
            raise LayoutRefusedError([(blob_path(piece.config), "It is not the manifest that the archive holds.")])
        evidence, unknown = self._statements(principal, layout, piece)
        outcome: Outcome = "published" if found.created else "present"
        return ImportedVersion(
            asset=piece.asset, version=piece.version, outcome=outcome, statements=evidence, unknown=unknown
        )

    def _is_here(self, principal: Principal, piece: _Piece) -> bool:
        namespace, _, name = piece.asset.partition("/")
        try:
            version = self._assets.version(principal.tenant_id, namespace, name, piece.version)
        except SlipwayError:
            return False
        return (f"sha256:{version.blob_digest}", f"sha256:{version.manifest_digest}") == (piece.content, piece.config)

    def _statements(self, principal: Principal, layout: Layout, piece: _Piece) -> tuple[int, int]:
        evidence = unknown = 0
        for digest in piece.statements if principal.may("attestations:write") else ():
            about = piece.content.removeprefix("sha256:")
            try:
                with self._session.begin_nested():
                    self._attestations.receive(principal, layout.read(digest), about)
            except AttestationRejectedError as error:
                if error.reason in {Reason.BAD_SIGNATURE, Reason.OTHER_SUBJECT}:
                    raise LayoutRefusedError([(blob_path(digest), error.detail)]) from None
                unknown += 1
            else:
                evidence += 1
        return evidence, unknown

    def _restrict(self, principal: Principal, said: StateSaid) -> Iterator[str]:
        """Give a version the state that it had where it came from, unless the one it has here is as strict already."""
        wanted = said.state
        verb = _VERBS.get(wanted)
        namespace, _, name = said.asset.partition("/")
        if verb is None:
            return
        try:
            version = self._assets.version(principal.tenant_id, namespace, name, said.version)
        except NotFoundError:
            return  # bytes that were never here
        here = (version.version, f"sha256:{version.blob_digest}", version.tenant_id)
        is_meant = here == (said.version, said.digest, principal.tenant_id)
        if not is_meant or _STRICTNESS.index(version.state) >= _STRICTNESS.index(wanted):
            return
        reason = storable(said.reason or "").strip()[:1000] or "It has this state where it comes from."
        instead = storable(said.replacement or "").strip()[:200] or None
        change = ChangeVersionState(reason=reason, replacement=instead)
        getattr(self._assets, verb)(principal, namespace, name, version.version, change)
        yield f"{said.asset} {said.version} is {wanted.value}"


def _pieces(layout: Layout, statements: Mapping[str, Sequence[str]]) -> Iterator[_Piece]:
    for entry, document in layout.manifests:
        config = document.get("config")
        if not isinstance(config, dict) or config.get("mediaType") != CONFIG_TYPE:
            continue
        contents = layers(document, CONTENT_TYPE)
        manifest = read_json(layout, str(config.get("digest")))
        metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
        if len(contents) != 1 or not isinstance(metadata, dict):
            raise LayoutRefusedError([(blob_path(str(entry["digest"])), "It is no asset.")])
        notes = entry.get("annotations")
        said = notes.get("dev.slipway.version") if isinstance(notes, dict) else None
        yield _Piece(
            asset=f"{metadata.get('namespace')}/{metadata.get('name')}",
            version=str(said or metadata.get("version")),
            content=contents[0],
            config=str(config["digest"]),
            statements=tuple(statements.get(str(entry["digest"]), ())),
        )


def _compare(pieces: Sequence[_Piece], record: Record) -> None:
    """Raise where a layout holds something else than its record says."""
    locked = {(each.asset, each.version, each.digest) for each in record.lock}
    held = {(each.asset, each.version, each.content) for each in pieces}
    problems = [
        (blob_path(digest), f"The record of the export says nothing of it as {asset} {version}.")
        for asset, version, digest in sorted(held - locked)
    ]
    problems += [
        (blob_path(digest), f"{asset} {version} is in the record of the export, and not in the layout.")
        for asset, version, digest in sorted(locked - held)
    ]
    if problems:
        raise LayoutRefusedError(problems)
