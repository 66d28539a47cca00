"""The difference between two versions as others read it: inputs, outputs, files, manifest, and the honest bump."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.assets.compatibility.changes import Bump, Change
from catalog.assets.compatibility.verdict import Faces, Verdict, compare
from catalog.assets.models import AssetVersionRead
from catalog.assets.versions import parse_version
from catalog.forms.pointers import escape

MOST_MANIFEST_CHANGES = 500
BumpName = Literal["none", "patch", "minor", "major"]
Sort = Literal["added", "removed", "changed"]
_NOT_COMPARED = ("/metadata/version",)
ABSENT = object()


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True)


class ChangeRead(_Read):
    """One change of an input or output; ``what`` names its sort, ``bump`` is the least that it asks for."""

    pointer: str = Field(examples=["/region"])
    what: str = Field(examples=["removed"])
    bump: BumpName
    message: str = Field(examples=["It was removed, so whoever sets it is refused."])
    proven: bool = Field(description="False where it could only not be shown that nothing breaks.")


class FileChange(_Read):
    """One file that differs; sizes in bytes, None where the file is not there."""

    path: str
    change: Sort
    size_before: int | None
    size_after: int | None


class ManifestChange(_Read):
    """One value of the manifest that differs, by JSON pointer; None where there is none."""

    pointer: str = Field(examples=["/dependencies/0/version"])
    change: Sort
    before: Any = None
    after: Any = None


class BumpRead(_Read):
    """Which bump the changes need, which one was made, and the lowest number that would be honest."""

    needed: BumpName
    made: BumpName
    honest: str = Field(examples=["2.0.0"])
    refused: bool = Field(description="Whether publishing the one after the other is refused.")


class VersionDiff(_Read):
    """What changed from one version to another."""

    before: str = Field(examples=["1.4.0"])
    after: str = Field(examples=["1.5.0"])
    bump: BumpRead
    inputs: list[ChangeRead]
    outputs: list[ChangeRead]
    asks: list[ChangeRead] = Field(description="What an install is asked for, now and not before, or no longer.")
    files: list[FileChange]
    manifest: list[ManifestChange]


def faces_of(version: AssetVersionRead) -> Faces:
    """Return what others rely on of a stored version."""
    return Faces.of(version.manifest, version.input_schema, version.output_schema)


def difference(before: AssetVersionRead, after: AssetVersionRead) -> VersionDiff:
    """Return what changed from ``before`` to ``after``."""
    changes = compare(faces_of(before), faces_of(after))
    verdict = Verdict(parse_version(before.version), parse_version(after.version), changes)
    return VersionDiff(
        before=before.version,
        after=after.version,
        bump=BumpRead(
            needed=bump_name(verdict.needed),
            made=bump_name(verdict.made),
            honest=verdict.honest.canonical,
            refused=verdict.is_refused,
        ),
        inputs=[change_read(each) for each in changes if each.side == "inputs"],
        outputs=[change_read(each) for each in changes if each.side == "outputs"],
        asks=[change_read(each) for each in changes if each.side == "manifest"],
        files=list(_files(before.files, after.files)),
        manifest=list(_manifest(before.manifest, after.manifest))[:MOST_MANIFEST_CHANGES],
    )


def bump_name(bump: Bump) -> BumpName:
    """Return a bump's name."""
    names: dict[Bump, BumpName] = {
        Bump.NONE: "none",
        Bump.PATCH: "patch",
        Bump.MINOR: "minor",
        Bump.MAJOR: "major",
    }
    return names[bump]


def change_read(change: Change) -> ChangeRead:
    """Return a change as others read it."""
    return ChangeRead(
        pointer=change.pointer,
        what=change.what,
        bump=bump_name(change.bump),
        message=change.message,
        proven=change.proven,
    )


def _files(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[FileChange]:
    old, new = ({str(each["path"]): each for each in files} for files in (before, after))
    for path in sorted({*old, *new}):
        was, is_now = old.get(path), new.get(path)
        if was is not None and is_now is not None and _same_file(was, is_now):
            continue
        yield FileChange(
            path=path,
            change=_sort(was is not None, is_now is not None),
            size_before=None if was is None else int(was["size"]),
            size_after=None if is_now is None else int(is_now["size"]),
        )


def _same_file(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one["sha256"] == other["sha256"] and one.get("mode") == other.get("mode")


def _manifest(before: Any, after: Any) -> Iterator[ManifestChange]:
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    for pointer in sorted({*old, *new}):
        was, is_now = old.get(pointer, ABSENT), new.get(pointer, ABSENT)
        if was == is_now or pointer in _NOT_COMPARED:
            continue
        yield ManifestChange(
            pointer=pointer,
            change=_sort(was is not ABSENT, is_now is not ABSENT),
            before=None if was is ABSENT else was,
            after=None if is_now is ABSENT else is_now,
        )


def _leaves(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, child in value.items():
            yield from _leaves(child, f"{pointer}/{escape(str(name))}")
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from _leaves(child, f"{pointer}/{index}")
    else:
        yield pointer, value


def _sort(was: bool, is_now: bool) -> Sort:  # noqa: FBT001  # two of a kind
    if was and is_now:
        return "changed"
    return "removed" if was else "added"
