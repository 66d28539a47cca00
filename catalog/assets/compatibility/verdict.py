"""The verdict on a new version: what changed against the one before, and the smallest honest number for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.compatibility.asks import Asks, asked_changes
from catalog.assets.compatibility.changes import Bump, Change, Face, input_changes, output_changes
from catalog.assets.life import LISTED
from catalog.assets.models import VersionState
from catalog.assets.versions import VersionNumber


@dataclass(frozen=True)
class Faces:
    """What others rely on of one version: the inputs it takes and the outputs it gives, ``{}`` where there are none.

    ``asks`` is what it wants of whoever installs it.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    immutable: frozenset[str] = frozenset()
    asks: Asks = field(default_factory=Asks)

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], input_schema: Mapping[str, Any], output_schema: Mapping[str, Any]
    ) -> "Faces":
        """Return the faces of a version from its manifest and schemas."""
        declared = manifest.get("inputs") or {}
        return cls(input_schema or {}, output_schema or {}, frozenset(declared.get("immutable", ())), Asks.of(manifest))


@dataclass(frozen=True)
class Verdict:
    """The comparison of a version with its predecessor; ``needed`` is the least bump that is honest."""

    before: VersionNumber
    after: VersionNumber
    changes: tuple[Change, ...]

    @property
    def needed(self) -> Bump:
        """Return the least bump that the changes ask for, as SemVer has it from 1.0.0 on."""
        return max((each.bump for each in self.changes), default=Bump.NONE)

    @property
    def made(self) -> Bump:
        """Return which number was raised."""
        return raised(self.before, self.after)

    @property
    def breaking(self) -> tuple[Change, ...]:
        """Return the changes that break, or that cannot be shown not to."""
        return tuple(each for each in self.changes if each.bump is Bump.MAJOR)

    @property
    def at_fault(self) -> tuple[Change, ...]:
        """Return the changes for which the number is too low: those that break, and those that bind it."""
        held = [each for each in self.changes if each.bump is Bump.MAJOR or each.binding]
        return tuple(each for each in held if self.made < least(each.bump, self.before))

    @property
    def is_refused(self) -> bool:
        """Tell whether the number promises more than the version keeps."""
        return bool(self.at_fault)

    @property
    def is_modest(self) -> bool:
        """Tell whether the number is too low for what is new, though nothing breaks."""
        return not self.is_refused and self.made < least(self.needed, self.before)

    @property
    def honest(self) -> VersionNumber:
        """Return the lowest number after the predecessor's that says what changed."""
        bump = least(self.needed, self.before)
        major, minor, patch = self.before.major, self.before.minor, self.before.patch
        if bump is Bump.MAJOR:
            return VersionNumber(major + 1, 0, 0)
        if bump is Bump.MINOR:
            return VersionNumber(major, minor + 1, 0)
        return VersionNumber(major, minor, patch + 1)


def compare(before: Faces, after: Faces) -> tuple[Change, ...]:
    """Return every change from one version's faces to another's, those that break first."""
    inputs = input_changes(Face(before.inputs, before.immutable), Face(after.inputs, after.immutable))
    outputs = output_changes(Face(before.outputs), Face(after.outputs))
    asked = asked_changes(before.asks, after.asks)
    return tuple(sorted([*inputs, *outputs, *asked], key=lambda each: (-each.bump, each.side, each.pointer)))


def raised(before: VersionNumber, after: VersionNumber) -> Bump:
    """Return the first number in which two versions differ."""
    if after.major != before.major:
        return Bump.MAJOR
    if after.minor != before.minor:
        return Bump.MINOR
    return Bump.PATCH if after.patch != before.patch else Bump.NONE


def least(bump: Bump, before: VersionNumber) -> Bump:
    """Return the least bump for changes after ``before``; below 1.0.0 one step lower, as ``^0.2`` has it."""
    if before.major > 0:
        return bump
    return {Bump.MAJOR: Bump.MINOR, Bump.MINOR: Bump.PATCH}.get(bump, bump)


def may_break(before: VersionNumber, after: VersionNumber) -> bool:
    """Tell whether a version with this number may break what relies on ``before``."""
    return raised(before, after) >= least(Bump.MAJOR, before)


def predecessor(number: VersionNumber, published: Iterable[tuple[VersionNumber, VersionState]]) -> VersionNumber | None:
    """Return the version that a new one is compared with: the highest lower final one that may be chosen freely.

    Pre-releases promise nothing to each other, so they are compared with the last final version as well, and are none
    themselves. Where everything below was withdrawn, or nothing was published, there is none.
    """
    lower = [each for each, state in published if state in LISTED and not each.is_prerelease and each < number]
    return max(lower, default=None)


def summary(changes: Sequence[Change]) -> str:
    """Return how many changes of each weight there are, in words."""
    counts = [(sum(each.bump is bump for each in changes), word) for bump, word in _WORDS.items()]
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing changed"


_WORDS = {Bump.MAJOR: "breaking", Bump.MINOR: "new", Bump.PATCH: "in words only"}
