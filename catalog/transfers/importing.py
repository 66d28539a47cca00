"""Import: a verified layout goes through the one upload door, seen by nobody more, freed of no state."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from catalog.assets.models import ChangeVersionState, VersionState
from catalog.assets.service import AssetService
from catalog.attestations.errors import AttestationRejectedError, Reason
from catalog.attestations.service import SupplyChainAttestationService
from catalog.errors import NotFoundError, SlipwayError
from catalog.providers.blobs import BlobStore
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.transfers.artifacts import CONFIG_TYPE, CONTENT_TYPE
from catalog.transfers.errors import LayoutRefusedError
from catalog.transfers.exporting import RECORD_TYPE
from catalog.transfers.layout import Layout, read_layout
from catalog.uploads.errors import PackageRejectedError
from catalog.uploads.service import UploadService

Outcome = Literal["published", "present", "checking", "refused"]
_VERBS = {
    VersionState.DEPRECATED: "deprecate",
    VersionState.ARCHIVED: "retire",
    VersionState.YANKED: "yank",
    VersionState.REVOKED: "revoke",
}
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
    """What came of a layout; ``states`` are the versions whose state was made stricter."""

    model_config = ConfigDict(frozen=True)

    versions: list[ImportedVersion]
    states: list[str]


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

    def bring_in(self, principal: Principal, source: BinaryIO) -> ImportReport:
        """Verify a layout and publish what is in it; raise ``LayoutRefusedError`` naming the files where it is damaged.

        A new asset is private, one that is there keeps who may see it. Doing it again, or after it broke off, does what
        is left to do.
        """
        principal.require("assets:write")
        layout = read_layout(source)
        pieces = list(_pieces(layout))
        record = _record(layout)
        order = {(each["asset"], each["version"]): index for index, each in enumerate(record.get("lock", ()))}
        pieces.sort(key=lambda each: order.get((each.asset, each.version), len(order)))
        versions = [self._take_in(principal, layout, piece) for piece in pieces]
        known = {each.asset for each in versions}
        said = [each for each in record.get("states", ()) if each["asset"] in known]
        states = [line for each in said for line in self._restrict(principal, each)]
        return ImportReport(versions=versions, states=states)

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
        except SlipwayError as error:
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="refused", detail=error.detail)
        if found.version is None:
            detail = "A worker checks it; import again afterwards for its state and statements."
            return ImportedVersion(asset=piece.asset, version=piece.version, outcome="checking", detail=detail)
        if f"sha256:{found.version.manifest_digest}" != piece.config:
            raise LayoutRefusedError([(_path(piece.config), "It is not the manifest that the archive holds.")])
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
                    raise LayoutRefusedError([(_path(digest), error.detail)]) from None
                unknown += 1
            else:
                evidence += 1
        return evidence, unknown

    def _restrict(self, principal: Principal, said: Mapping[str, Any]) -> Iterator[str]:
        """Give a version the state that it had where it came from, unless the one it has here is as strict already."""
        wanted = VersionState(said["state"])
        verb = _VERBS.get(wanted)
        namespace, _, name = str(said["asset"]).partition("/")
        if verb is None:
            return
        try:
            version = self._assets.version(principal.tenant_id, namespace, name, str(said["version"]))
        except NotFoundError:
            return  # bytes that were never here
        same = f"sha256:{version.blob_digest}" == said["digest"] and version.tenant_id == principal.tenant_id
        if not same or _STRICTNESS.index(version.state) >= _STRICTNESS.index(wanted):
            return
        reason = str(said.get("reason") or "It has this state where it comes from.")
        change = ChangeVersionState(reason=reason, replacement=said.get("replacement"))
        getattr(self._assets, verb)(principal, namespace, name, version.version, change)
        yield f"{said['asset']} {said['version']} is {wanted.value}"


def _pieces(layout: Layout) -> Iterator[_Piece]:
    statements: dict[str, list[str]] = {}
    for _, document in layout.manifests:
        subject = document.get("subject")
        if isinstance(subject, dict):
            statements.setdefault(str(subject.get("digest")), []).extend(_layers(document))
    for entry, document in layout.manifests:
        config = document.get("config")
        if not isinstance(config, dict) or config.get("mediaType") != CONFIG_TYPE:
            continue
        contents = _layers(document, CONTENT_TYPE)
        manifest = _read_json(layout, str(config.get("digest")))
        metadata = manifest.get("metadata") if isinstance(manifest, dict) else None
        if len(contents) != 1 or not isinstance(metadata, dict):
            raise LayoutRefusedError([(_path(str(entry["digest"])), "It is no asset.")])
        yield _Piece(
            asset=f"{metadata.get('namespace')}/{metadata.get('name')}",
            version=str(entry.get("annotations", {}).get("dev.slipway.version", metadata.get("version"))),
            content=contents[0],
            config=str(config["digest"]),
            statements=tuple(statements.get(str(entry["digest"]), ())),
        )


def _record(layout: Layout) -> Mapping[str, Any]:
    for entry, document in layout.manifests:
        if document.get("artifactType") != RECORD_TYPE:
            continue
        digests = _layers(document, RECORD_TYPE)
        found = _read_json(layout, digests[0]) if digests else None
        if isinstance(found, dict) and all(_is_said(each) for each in found.get("states", ())):
            return found
        raise LayoutRefusedError([(_path(str(entry["digest"])), "It is no record of an export.")])
    return {}


def _is_said(said: Any) -> bool:
    names = ("asset", "version", "digest", "state")
    return (
        isinstance(said, dict)
        and all(isinstance(said.get(name), str) for name in names)
        and (said["state"] in set(VersionState))
    )


def _layers(document: Mapping[str, Any], media_type: str = "") -> list[str]:
    layers = document.get("layers")
    return [
        str(each.get("digest"))
        for each in (layers if isinstance(layers, list) else ())
        if isinstance(each, dict) and media_type in {"", each.get("mediaType")}
    ]


def _read_json(layout: Layout, digest: str) -> Any:
    try:
        return json.loads(layout.read(digest))
    except (ValueError, RecursionError):
        return None


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
