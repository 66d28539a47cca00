"""What a verdict is made of beside the answers of policies, written down so that it can be made again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.gating import Level, Violation
from catalog.policies import rules
from catalog.policies.models import Mode
from catalog.policies.rules import Decision, Exemption, Found, Subject
from catalog.policies.shapes import Scope

Answered = Mapping[tuple[str, str], Sequence[Violation]]
"""What the policies of each bundle (name and version) found."""


@dataclass(frozen=True)
class Counted:
    """One binding as it counted: the version that was asked, or None and the problem why there was none.

    ``binding`` is its id, "" where a bundle was asked that is not bound.
    """

    asset: str
    version: str | None
    level: Level
    mode: Mode = Mode.ENFORCED
    problem: str = ""
    binding: str = ""


@dataclass(frozen=True)
class Grounds:
    """What counted, what was held against the subject whatever policies say, and what was waived or overridden then."""

    counted: tuple[Counted, ...] = ()
    held: tuple[Violation, ...] = ()
    exemptions: tuple[Exemption, ...] = ()

    def decide(self, answered: Answered, subject: Subject, moment: datetime) -> Decision:
        """Return the verdict; the same grounds and answers give the same one at any later time."""
        found = [Found(each, each.level, Mode.ENFORCED) for each in self.held]
        for each in self.counted:
            if each.version is None:
                findings: Sequence[Violation] = [rules.not_evaluated("", each.asset, each.problem)]
            else:
                findings = answered[each.asset, each.version]
            found += [Found(violation, each.level, each.mode) for violation in findings]
        return rules.decide(found, self.exemptions, subject, moment)

    def as_json(self) -> dict[str, Any]:
        """Return the grounds as JSON data."""
        return {
            "counted": [
                {
                    "binding": each.binding,
                    "asset": each.asset,
                    "version": each.version,
                    "level": str(each.level),
                    "mode": str(each.mode),
                    "problem": each.problem,
                }
                for each in self.counted
            ],
            "held": [each.model_dump(mode="json") for each in self.held],
            "exemptions": [_exemption_json(each) for each in self.exemptions],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Grounds | None":
        """Return the grounds that ``as_json`` wrote down, None where nobody did."""
        if not data:
            return None
        return cls(
            counted=tuple(
                Counted(
                    asset=each["asset"],
                    version=each["version"],
                    level=Level(each["level"]),
                    mode=Mode(each["mode"]),
                    problem=each["problem"],
                    binding=each["binding"],
                )
                for each in data["counted"]
            ),
            held=tuple(map(Violation.model_validate, data["held"])),
            exemptions=tuple(map(_exemption, data["exemptions"])),
        )


def findings(results: Sequence[Mapping[str, Any]], asset: str, default: Level) -> list[Violation]:
    """Return what a bundle's answers, in the form in which they are stored, say that is wrong."""
    found: list[Violation] = []
    for each in results:
        if "denied" in each:
            found.append(rules.not_evaluated(each["entrypoint"], asset, each["denied"]["reason"]))
        else:
            found += rules.answers(each["value"], each["entrypoint"], asset, default)
    return found


def _exemption_json(exemption: Exemption) -> dict[str, Any]:
    return {
        "rule": exemption.rule,
        "bundle": exemption.bundle,
        "expires_at": exemption.expires_at.isoformat(),
        "scope": None if exemption.scope is None else exemption.scope.model_dump(mode="json"),
        "covers": None if exemption.covers is None else exemption.covers.as_json(),
    }


def _exemption(data: Mapping[str, Any]) -> Exemption:
    return Exemption(
        rule=data["rule"],
        bundle=data["bundle"],
        expires_at=datetime.fromisoformat(data["expires_at"]),
        scope=None if data["scope"] is None else Scope.model_validate(data["scope"]),
        covers=None if data["covers"] is None else Subject.from_json(data["covers"]),
    )
