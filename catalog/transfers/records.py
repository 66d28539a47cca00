"""What a layout says of itself: the record of an export, read as a stranger's document, and who signed it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.assets.models import VersionState
from catalog.transfers.errors import LayoutRefusedError
from catalog.transfers.exporting import RECORD_TYPE
from catalog.transfers.layout import INDEX_FILE, Layout, blob_path

_MOST = 200_000


class _Said(BaseModel):
    """Fields that nobody asked for are left aside: a later Slipway may say more."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Locked(_Said):
    """One version of the lock."""

    asset: str
    version: str
    digest: str


class StateSaid(_Said):
    """The state of one version where it comes from."""

    asset: str
    version: str
    digest: str
    state: VersionState = Field(strict=False)
    reason: str | None = Field(default=None, max_length=10_000)
    replacement: str | None = Field(default=None, max_length=10_000)


class _Contents(_Said):
    lock: list[Locked] = Field(max_length=_MOST)
    states: list[StateSaid] = Field(max_length=_MOST)


@dataclass(frozen=True)
class Record:
    """The record of a layout; ``digest`` is that of its bytes, ``seals`` are the blobs that may be statements about it.

    A layout that another tool made has none: ``digest`` is "" then.
    """

    digest: str = ""
    lock: tuple[Locked, ...] = ()
    states: tuple[StateSaid, ...] = ()
    seals: tuple[str, ...] = field(default=())


def read_record(layout: Layout, statements: Mapping[str, Sequence[str]]) -> Record:
    """Return the record of a layout, with what ``statements_of`` found.

    Raises ``LayoutRefusedError`` where there are several, or one that is none.
    """
    found = [
        (str(entry["digest"]), document)
        for entry, document in layout.manifests
        if document.get("artifactType") == RECORD_TYPE
    ]
    if not found:
        return Record()
    if len(found) > 1:
        raise LayoutRefusedError([(INDEX_FILE, "It names more than one record of an export.")])
    manifest, document = found[0]
    digests = layers(document, RECORD_TYPE)
    try:
        (digest,) = digests
        contents = _Contents.model_validate_json(layout.read(digest))
    except (ValueError, ValidationError):
        raise LayoutRefusedError([(blob_path(manifest), "It is no record of an export.")]) from None
    return Record(digest, tuple(contents.lock), tuple(contents.states), tuple(statements.get(manifest, ())))


def statements_of(layout: Layout) -> dict[str, list[str]]:
    """Return the blobs that a layout's referrers carry, by the digest of the manifest that they refer to."""
    found: dict[str, list[str]] = {}
    for _, document in layout.manifests:
        subject = document.get("subject")
        if isinstance(subject, dict):
            found.setdefault(str(subject.get("digest")), []).extend(layers(document))
    return found


def layers(document: Mapping[str, Any], media_type: str = "") -> list[str]:
    """Return the digests of a manifest's layers, of one media type where it is given."""
    found = document.get("layers")
    return [
        str(each.get("digest"))
        for each in (found if isinstance(found, list) else ())
        if isinstance(each, dict) and (not media_type or media_type == each.get("mediaType"))
    ]


def read_json(layout: Layout, digest: str) -> Any:
    """Return a blob as JSON data, None where it is none."""
    try:
        return json.loads(layout.read(digest))
    except (ValueError, RecursionError):
        return None
