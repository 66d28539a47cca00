"""The translator of constraints: how npm, Terraform, GitLab and Maven write them, as PEP 440 clauses.

A text that is a PEP 440 constraint already keeps its meaning there, whatever another ecosystem reads in it. The
semantics of the other spellings: ``^``, ``~``, ``x``, hyphen ranges and blanks between comparators as npm's semver
range grammar has them; ``~>`` as HashiCorp's and RubyGems' pessimistic operator; a partial version alone as the
newest of that line, as GitLab's CI/CD catalog and npm have it; ``[1.0,2.0)`` as Maven and NuGet have it.
"""

import re
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from catalog.assets.errors import InvalidConstraintError, InvalidVersionError
from catalog.assets.versions import canonical_constraint, parse_constraint, parse_version

ANYTHING = ">=0"
"""Every version there is, pre-releases excepted: what ``*`` and ``latest`` mean."""

_LONGEST = 200
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_PARTIAL = re.compile(rf"v?({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*]))?(?:\.({_NUMBER}|[xX*]))?(-?[a-z].*)?")
_COMPARATOR = re.compile(r"(\^|~>|~|>=|<=|>|<|==?|!=)?\s*(\S+)")
_BLANK_AFTER_OPERATOR = re.compile(r"(\^|~>|~|>=|<=|>|<|==?|!=)\s+")
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_INTERVAL = re.compile(r"([\[(])\s*([^,\s]*)\s*(?:(,)\s*([^,\s]*)\s*)?([\])])")
_PEP_440_SIGN = re.compile(r"~=|===|,")


@dataclass(frozen=True)
class Translation:
    """A constraint as it was written and as it is stored; ``spelling`` says whose way of writing it was."""

    text: str
    constraint: SpecifierSet
    spelling: str

    @property
    def canonical(self) -> str:
        """Return the PEP 440 text that means the same, ``""`` for every version."""
        return canonical_constraint(self.constraint)

    @property
    def is_translated(self) -> bool:
        """Tell whether the canonical text is worth showing beside the one that was written."""
        return self.text.replace(" ", "") != "" and parse_or_none(self.text) is None


@dataclass(frozen=True)
class _Version:
    """The numbers that were written, one to three, and the pre-release if there was one."""

    numbers: tuple[int, ...]
    prerelease: str

    @property
    def lower(self) -> str:
        """Return the smallest version meant, without zeros that were not written."""
        return ".".join(map(str, self.numbers)) + self.prerelease

    def next_after(self, position: int) -> str:
        """Return the first version in which the number at ``position`` is higher."""
        return ".".join(map(str, (*self.numbers[:position], self.numbers[position] + 1)))


def translate(text: str) -> Translation:
    """Read a constraint in any known spelling; raise ``InvalidConstraintError`` naming the reason and the fix."""
    stripped = text.strip()
    if len(stripped) > _LONGEST:
        raise InvalidConstraintError(stripped, f"It is longer than {_LONGEST} characters.", "Write a shorter one.")
    if stripped.lower() in {"", "*", "x", "latest", "~latest"}:
        return Translation(text, SpecifierSet(ANYTHING if stripped else ""), "any" if stripped else "pep440")
    found = parse_or_none(stripped)
    if found is not None:
        return Translation(text, found, "pep440")
    spelling, clauses = _read(stripped)
    return Translation(text, parse_constraint(",".join(clauses)), spelling)


def parse_or_none(text: str) -> SpecifierSet | None:
    """Return a text that is a PEP 440 constraint as it stands, else None."""
    try:
        return parse_constraint(text)
    except InvalidConstraintError:
        return None


def suggested(text: str) -> str | None:
    """Return the PEP 440 constraint that a text in another spelling means, None where it means nothing known."""
    try:
        return translate(text).canonical or None
    except InvalidConstraintError:
        return None


def _read(text: str) -> tuple[str, list[str]]:
    if "||" in text:
        raise InvalidConstraintError(text, "A constraint cannot say or.", "Name one range, such as >=1,<3.")
    if interval := _INTERVAL.fullmatch(text):
        return "maven", _interval(text, interval)
    if hyphen := _HYPHEN.fullmatch(text):
        low, high = _version(hyphen[1], text), _version(hyphen[2], text)
        if not low.numbers or not high.numbers:
            raise _unknown(text)
        return "npm", [f">={low.lower}", *_npm("<=", high)]
    parts = _BLANK_AFTER_OPERATOR.sub(r"\1", text).replace(",", " ").split()
    terraform = any(part.startswith("~>") for part in parts) or "," in text
    clauses = [clause for part in parts for clause in _comparator(part, text, terraform=terraform)]
    if len(clauses) > 1 and ANYTHING in clauses:
        clauses = [clause for clause in clauses if clause != ANYTHING]
    return ("terraform" if terraform else "npm"), clauses


def _comparator(part: str, text: str, *, terraform: bool) -> list[str]:
    if _PEP_440_SIGN.match(part):
        parse_constraint(part)  # its own error says more than a general one
        return [part]
    match = _COMPARATOR.fullmatch(part)
    if match is None:
        raise _unknown(text)
    operator, version = match[1] or "", _version(match[2], text)
    if not version.numbers:
        return [ANYTHING]
    special = {"^": _caret, "~": _tilde, "~>": _pessimistic}.get(operator)
    if special is not None:
        return special(version)
    if operator in {"==", "!="} or terraform:
        return [f"{operator if operator not in {'', '='} else '=='}{version.lower}"]
    return _npm(operator, version)


def _npm(operator: str, version: _Version) -> list[str]:
    """Read a comparator as npm does, where a partial version stands for its whole line."""
    whole = len(version.numbers) == 3
    after = version.next_after(len(version.numbers) - 1)
    if operator in {"", "="}:
        return [f"=={version.lower}" if whole else f"=={version.lower}.*"]
    if operator == "<=":
        return [f"<={version.lower}" if whole else f"<{after}"]
    if operator == ">":
        return [f">{version.lower}" if whole else f">={after}"]
    return [f"{operator}{version.lower}"]


def _caret(version: _Version) -> list[str]:
    """Allow what leaves the leftmost number that is not zero as it is."""
    fixed = next((index for index, number in enumerate(version.numbers) if number), len(version.numbers) - 1)
    return [f">={version.lower}", f"<{version.next_after(fixed)}"]


def _tilde(version: _Version) -> list[str]:
    """Allow what leaves the minor number as it is, or the major one where it stands alone."""
    return [f">={version.lower}", f"<{version.next_after(min(1, len(version.numbers) - 1))}"]


def _pessimistic(version: _Version) -> list[str]:
    """Allow the last number that is written to rise."""
    if len(version.numbers) < 2:
        number = version.numbers[0]
        raise InvalidConstraintError(
            f"~> {number}",
            f"It allows every later version in Terraform and only {number}.x in RubyGems.",
            f"Write >={number} or =={number}.*.",
        )
    return [f"~={version.lower}"]


def _interval(text: str, match: re.Match[str]) -> list[str]:
    opening, lower, comma, upper, closing = match.groups()
    if not comma:
        if opening != "[" or closing != "]" or not lower:
            raise _unknown(text)
        return [f"=={_exact(lower, text)}"]
    clauses = []
    if lower:
        clauses.append(f"{'>=' if opening == '[' else '>'}{_exact(lower, text)}")
    if upper:
        clauses.append(f"{'<=' if closing == ']' else '<'}{_exact(upper, text)}")
    return clauses or [ANYTHING]


def _exact(written: str, text: str) -> str:
    version = _version(written, text)
    if not version.numbers:
        raise _unknown(text)
    return version.lower


def _version(written: str, text: str) -> _Version:
    """Read a whole or partial version; wildcards end it."""
    match = _PARTIAL.fullmatch(written)
    if match is None:
        raise _refused(written, text)
    numbers: list[int] = []
    wild = False
    for part in match.groups()[:3]:
        if part is None:
            break
        if part in {"x", "X", "*"}:
            wild = True
        elif wild:
            raise _unknown(text)
        else:
            numbers.append(int(part))
    if match[4] is None:
        return _Version(tuple(numbers), "")
    if wild or len(numbers) != 3:
        raise _unknown(text)
    try:
        number = parse_version(written.removeprefix("v"))
    except InvalidVersionError:
        raise _refused(written, text) from None
    core = f"{number.major}.{number.minor}.{number.patch}"
    return _Version(tuple(numbers), number.canonical.removeprefix(core))


def _refused(written: str, text: str) -> InvalidConstraintError:
    """Return the error for a version that cannot be one, with the reason that publishing it would meet."""
    if re.match(r"v?[0-9]", written):
        try:
            parse_version(written.removeprefix("v"))
        except InvalidVersionError as error:
            return InvalidConstraintError(text, error.reason, error.fix)
    return _unknown(text)


def _unknown(text: str) -> InvalidConstraintError:
    return InvalidConstraintError(
        text,
        "This is not a version constraint.",
        "Write clauses such as >=1.2,<2 or ~=1.4 or ==1.4.0; ^1.2, ~> 1.2, 1.x and latest are understood too.",
    )
