"""Version rules: what is accepted as a version, how versions are ordered, and which a constraint allows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from catalog.assets.errors import InvalidConstraintError, InvalidVersionError

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_RELEASE = rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
_ACCEPTED = re.compile(rf"{_RELEASE}(?:(?:-(alpha|beta|rc)\.|(a|b|rc))({_NUMBER}))?")
_STAGES = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "rc": 2}
_LONGEST = 64
FINAL_STAGE = 3
_PEP440_STAGES = ("a", "b", "rc")
_SEMVER_STAGES = ("alpha", "beta", "rc")


@total_ordering
@dataclass(frozen=True)
class VersionNumber:
    """A version that means the same in SemVer 2.0 and in PEP 440.

    ``stage`` is 0 alpha, 1 beta, 2 release candidate, 3 final; ``stage_number`` is 0 for a final version. Each
    number has at most nine digits, so that all five fit integer columns.
    """

    major: int
    minor: int
    patch: int
    stage: int = FINAL_STAGE
    stage_number: int = 0

    @property
    def canonical(self) -> str:
        """The text under which the version is stored and unique: PEP 440, as in ``1.4.0rc1``."""
        suffix = "" if self.stage == FINAL_STAGE else f"{_PEP440_STAGES[self.stage]}{self.stage_number}"
        return f"{self.major}.{self.minor}.{self.patch}{suffix}"

    @property
    def semver(self) -> str:
        """The SemVer spelling, as in ``1.4.0-rc.1``."""
        suffix = "" if self.stage == FINAL_STAGE else f"-{_SEMVER_STAGES[self.stage]}.{self.stage_number}"
        return f"{self.major}.{self.minor}.{self.patch}{suffix}"

    @property
    def is_prerelease(self) -> bool:
        """Whether this is an alpha, a beta or a release candidate."""
        return self.stage != FINAL_STAGE

    @property
    def sort_key(self) -> tuple[int, int, int, int, int]:
        """The five integers whose order is the order of versions."""
        return (self.major, self.minor, self.patch, self.stage, self.stage_number)

    def __lt__(self, other: "VersionNumber") -> bool:
        return self.sort_key < other.sort_key

    def __str__(self) -> str:
        return self.canonical


def parse_version(text: str) -> VersionNumber:
    """Read a version in either spelling; raise ``InvalidVersionError`` whose message names the fix."""
    if len(text) > _LONGEST:
        raise InvalidVersionError(f"{text[:20]}...", f"It is longer than {_LONGEST} characters.", "Write N.N.N.")
    accepted = _ACCEPTED.fullmatch(text)
    if accepted is None:
        raise InvalidVersionError(text, *_refusal(text))
    major, minor, patch, long_stage, short_stage, number = accepted.groups()
    stage = long_stage or short_stage
    if stage is None:
        return VersionNumber(int(major), int(minor), int(patch))
    return VersionNumber(int(major), int(minor), int(patch), _STAGES[stage], int(number))


# Each refused form: how it is recognised, why it is refused, and the fix. The first that matches is reported.
_REFUSED: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\s*"), "A version is missing.", "Write one such as 1.0.0."),
    (re.compile(r"\s.*|.*\s", re.DOTALL), "A version has no spaces around it.", "Remove the spaces."),
    (re.compile(r"[vV][0-9].*"), "A version does not begin with v.", "Write {without_v} (Git tags may keep their v)."),
    (re.compile(r".*\+.*"), "Build metadata (+...) orders differently in SemVer and PEP 440.", "Drop it: {core}."),
    (re.compile(r"[0-9]+!.*"), "An epoch (N!) has no meaning in SemVer.", "Drop it: {without_epoch}."),
    (
        re.compile(r"[0-9]+\.[0-9]+\.[0-9]+-[0-9]+.*"),
        "SemVer reads a bare -N as a pre-release, PEP 440 as a later release.",
        "Write {core}-rc.N for a pre-release, or raise the patch number.",
    ),
    (
        re.compile(r".*[.\-_]?(post|rev)[.\-_]?[0-9]*", re.IGNORECASE),
        "Post-releases do not exist in SemVer.",
        "Raise the patch.",
    ),
    (
        re.compile(r".*[.\-_]?dev[.\-_]?[0-9]*", re.IGNORECASE),
        "Development releases have no SemVer form.",
        "Use {core}-alpha.N.",
    ),
    (re.compile(r"[0-9]+"), "A version has three numbers, not one.", "Write {core}.0.0."),
    (re.compile(r"[0-9]+\.[0-9]+"), "A version has three numbers, not two.", "Write {core}.0."),
    (re.compile(r"[0-9]+(\.[0-9]+){3,}.*"), "A version has exactly three numbers.", "Write {core}."),
    (re.compile(r"(.*\D)?0[0-9]+.*"), "Numbers have no leading zeros.", "Remove the zeros in front."),
    (re.compile(r"(.*\D)?[0-9]{10,}.*"), "Each number has at most nine digits.", "Use smaller numbers."),
    (
        re.compile(r"[0-9]+\.[0-9]+\.[0-9]+[-.]?(alpha|beta|rc|a|b|c|pre|preview)[-.]?[0-9]*", re.IGNORECASE),
        "The pre-release is not in one of the two accepted spellings.",
        "Write {core}-alpha.N, {core}-beta.N or {core}-rc.N in lower case (or {core}aN, {core}bN, {core}rcN).",
    ),
    (
        re.compile(r"[0-9]+\.[0-9]+\.[0-9]+.+", re.DOTALL),
        "Only alpha, beta and rc pre-releases mean the same in SemVer and PEP 440.",
        "Write {core}-alpha.N, {core}-beta.N or {core}-rc.N.",
    ),
)


def _refusal(text: str) -> tuple[str, str]:
    without_v = text[1:] if text[:1] in {"v", "V"} else text
    without_epoch = text.partition("!")[2]
    core_match = re.match(r"[0-9]+(?:\.[0-9]+){0,2}", without_epoch or without_v)
    hints = {
        "without_v": without_v,
        "without_epoch": without_epoch,
        "core": core_match.group() if core_match else "1.0.0",
    }
    for form, reason, fix in _REFUSED:
        if form.fullmatch(text):
            return reason, fix.format_map(hints)
    return "This is not a version.", "Write three numbers such as 1.4.0, optionally with -alpha.N, -beta.N or -rc.N."


def parse_constraint(text: str) -> SpecifierSet:
    """Read a constraint such as ``>=1.2,<2`` or ``~=1.4``; the empty text allows every version.

    Raises ``InvalidConstraintError`` naming the fix. Ask `allows` or `newest` instead of the set itself: its own
    answers about pre-releases depend on what else is in the set.
    """
    if "===" in text:
        raise InvalidConstraintError(text, "=== compares text, not versions.", "Write ==.")
    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise InvalidConstraintError(
            text,
            "This is not a version constraint.",
            "Write clauses such as >=1.2,<2 or ~=1.4 or ==1.4.0, separated by commas.",
        ) from None


def canonical_constraint(constraint: SpecifierSet) -> str:
    """Return the one spelling of a constraint in which it is stored and shown: the lowest first, as people say it."""
    clauses = sorted(constraint, key=lambda clause: (_READING_ORDER.index(clause.operator), str(clause)))
    return ",".join(map(str, clauses))


_READING_ORDER = ("===", "==", "~=", ">=", ">", "!=", "<", "<=")


def names_prerelease(constraint: SpecifierSet) -> bool:
    """Tell whether a clause itself names a pre-release, which is how a request asks for them."""
    return any(_is_prerelease(clause.version) for clause in constraint)


def _is_prerelease(text: str) -> bool:
    try:
        return Version(text.removesuffix(".*")).is_prerelease
    except InvalidVersion:
        return False


def pinned_version(constraint: SpecifierSet) -> VersionNumber | None:
    """Return the version that a constraint pins exactly (``==1.4.0`` alone), else None."""
    clauses = list(constraint)
    if len(clauses) != 1 or clauses[0].operator != "==" or clauses[0].version.endswith(".*"):
        return None
    release = Version(clauses[0].version)
    try:
        return parse_version(str(release) if len(release.release) == 3 else "")
    except InvalidVersionError:
        return None


def allows(constraint: SpecifierSet, version: VersionNumber, *, prereleases: bool) -> bool:
    """Tell whether a constraint allows a version; pre-releases count only where ``prereleases`` is true."""
    return constraint.contains(Version(version.canonical), prereleases=prereleases)


def newest(
    constraint: SpecifierSet, versions: Iterable[VersionNumber], *, prereleases: bool | None = None
) -> VersionNumber | None:
    """Return the newest version that a constraint allows, or None.

    Pre-releases take part only where ``prereleases`` is true, or, left out, where the constraint names one.
    """
    wanted = names_prerelease(constraint) if prereleases is None else prereleases
    return max((version for version in versions if allows(constraint, version, prereleases=wanted)), default=None)
