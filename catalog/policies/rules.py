"""What counts for whom, and what follows from it: values in, values out; time is a parameter.

The arithmetic is monotonic. Every finding can only add to what stops a subject, so a further binding never allows what
was denied; only a waiver or an override that still holds takes something away, and neither knows of bindings.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from catalog.assets.findings import storable
from catalog.gating import GatePoint, Level, Violation
from catalog.policies.models import Mode, ScopeKind
from catalog.policies.shapes import Overlap, Scope, Stage

UNEVALUATED = "slipway.not-evaluated"
UNREADABLE = "slipway.unreadable-answer"
_ORDER = (Mode.PENDING, Mode.SHADOW, Mode.ADVISORY, Mode.ENFORCED)


@dataclass(frozen=True)
class Subject:
    """What policies decide about; ``about`` is a name that stays the same from one try to the next.

    ``environments`` are the names under which an environment may be meant. ``judged`` tells one try from another under
    the same name: the digests, commits and inputs that it is about. Parts that do not apply are empty.
    """

    about: str
    point: GatePoint | None = None
    service: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    target: str = ""
    asset: str = ""
    asset_kind: str = ""
    judged: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the subject as JSON data."""
        return {
            "about": self.about,
            "point": None if self.point is None else str(self.point),
            "service": self.service,
            "labels": dict(self.labels),
            "environments": list(self.environments),
            "target": self.target,
            "asset": self.asset,
            "asset_kind": self.asset_kind,
            "judged": dict(self.judged),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Subject":
        """Return the subject that ``as_json`` wrote down."""
        point = data.get("point")
        return cls(
            about=str(data.get("about", "")),
            point=GatePoint(point) if point else None,
            service=str(data.get("service", "")),
            labels=dict(data.get("labels", {})),
            environments=tuple(data.get("environments", ())),
            target=str(data.get("target", "")),
            asset=str(data.get("asset", "")),
            asset_kind=str(data.get("asset_kind", "")),
            judged=dict(data.get("judged", {})),
        )


@dataclass(frozen=True)
class Found:
    """What one rule of one bundle found, with the level of its own and the binding under which it was asked."""

    violation: Violation
    binding_level: Level
    mode: Mode


@dataclass(frozen=True)
class Exemption:
    """A waiver or an override as far as deciding needs it: ``bundle`` and ``scope`` left out mean any.

    ``covers`` is the one subject that an override is for, at the gate that refused it, with just what was judged there.
    """

    rule: str
    bundle: str | None
    expires_at: datetime
    scope: Scope | None = None
    covers: Subject | None = None

    @property
    def is_override(self) -> bool:
        """Tell whether it lets one subject through, rather than letting a rule not count."""
        return self.covers is not None


@dataclass(frozen=True)
class Decision:
    """What follows from all that was found."""

    allowed: bool
    level: Level
    violations: tuple[Violation, ...]
    waived: tuple[Violation, ...]
    overridden: tuple[Violation, ...]
    shadow: tuple[Violation, ...]


def covers(scope: Scope, subject: Subject) -> bool:
    """Tell whether the subject is among those that a scope means."""
    if scope.kind is ScopeKind.TENANT:
        return True
    if any(subject.labels.get(name) != value for name, value in scope.labels.items()):
        return False
    names: tuple[str, ...]
    match scope.kind:
        case ScopeKind.SERVICE:
            names = (subject.service,) if subject.service else ()
        case ScopeKind.ENVIRONMENT:
            names = subject.environments
        case _:
            names = (subject.asset,) if subject.asset else ()
    if scope.target and scope.target != subject.target:
        return False
    if scope.asset_kind and scope.asset_kind != subject.asset_kind:
        return False
    return any(not scope.name or _is_like(name, scope.name) for name in names)


def stands_at(points: Sequence[str], subject: Subject) -> bool:
    """Tell whether a binding is asked at the subject's gate; a question without a gate asks everything."""
    return not points or subject.point is None or str(subject.point) in points


def mode_at(stages: Sequence[Stage], key: str, subject: Subject, moment: datetime) -> Mode:
    """Return how much a bundle counts for a subject at a moment; ``key`` spreads the shares of different bindings.

    A subject outside the share of a stage is held to the stage before. The same subject is always on the same side.
    """
    if not stages:
        return Mode.ENFORCED
    mode = Mode.PENDING
    for stage in sorted(stages, key=lambda each: each.starts_at):
        if stage.starts_at <= moment and _place(key, subject.about) < stage.share:
            mode = stage.mode
    return mode


def effective_level(found: Found) -> Level:
    """Return what a violation does: the weaker of what the rule says of itself and what the binding says.

    What has no answer, or none that can be read, nobody can override; it is told alone only where the binding is
    advisory by choice.
    """
    level = min(found.violation.level, found.binding_level, key=lambda each: each.rank)
    if found.violation.rule in {UNEVALUATED, UNREADABLE} and found.binding_level is Level.OVERRIDABLE:
        level = Level.MANDATORY
    return min(level, Level.ADVISORY, key=lambda each: each.rank) if found.mode is Mode.ADVISORY else level


def decide(found: Iterable[Found], exemptions: Sequence[Exemption], subject: Subject, moment: datetime) -> Decision:
    """Return what follows: denied where one violation is left that stops and that nobody waived or overrode."""
    kept: dict[tuple[str, str, str, str], Violation] = {}
    waived: list[Violation] = []
    overridden: list[Violation] = []
    shadow: list[Violation] = []
    for each in found:
        violation = each.violation.model_copy(update={"level": effective_level(each)})
        if each.mode in {Mode.PENDING, Mode.SHADOW}:
            shadow += [violation] if each.mode is Mode.SHADOW else []
            continue
        holding = [one for one in exemptions if _exempts(one, violation, subject, moment)]
        if any(not one.is_override for one in holding):
            waived.append(violation)
        elif holding and violation.level is Level.OVERRIDABLE:
            overridden.append(violation)
        else:
            # The same finding under two bindings counts once, with the stronger level.
            key = (violation.bundle, violation.rule, violation.path, violation.message)
            if key not in kept or kept[key].level.rank < violation.level.rank:
                kept[key] = violation
    violations = tuple(sorted(kept.values(), key=lambda one: (-one.level.rank, one.bundle, one.rule, one.path)))
    level = max((one.level for one in violations), key=lambda one: one.rank, default=Level.NONE)
    return Decision(
        level.rank <= Level.ADVISORY.rank, level, violations, _unique(waived), _unique(overridden), _unique(shadow)
    )


def overlapping(roots: Mapping[str, Sequence[str]]) -> list[Overlap]:
    """Return where bundles claim the same root, or one the inside of another's; ``roots`` are by bundle.

    As OPA sees it, the root "" holds everything, and ``a/b`` lies in ``a`` but ``ab`` does not.
    """
    found = []
    names = sorted(roots)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            shared = sorted({max(a, b, key=len) for a in roots[one] for b in roots[other] if _inside(a, b)})
            found += [Overlap(root=root, bundles=(one, other)) for root in shared]
    return found


def answers(value: Any, entrypoint: str, bundle: str, default: Level) -> list[Violation]:
    """Return the violations that an entry point's answer names.

    A list holds violations; a boolean of an entry point called ``allow`` has to be true, of any other false; an object
    may hold ``allow`` and ``violations``. Whatever is none of these counts as a violation itself: what cannot be read
    allows nothing.
    """
    name = entrypoint.rpartition("/")[2]
    if isinstance(value, bool):
        holds = value is (name == "allow")
        return [] if holds else [_plain(entrypoint, bundle, default, f"{entrypoint} is {str(value).lower()}.")]
    if isinstance(value, list):
        return [_violation(each, entrypoint, bundle, default) for each in value]
    if isinstance(value, Mapping) and set(value) & {"allow", "violations"}:
        listed = value.get("violations", [])
        inner = answers(listed if isinstance(listed, list) else [listed], entrypoint, bundle, default)
        stops = any(each.level.rank >= default.rank for each in inner)
        if value.get("allow", True) is not True and not stops:
            # What is said beside it may only be advice.
            inner = [*inner, _plain(entrypoint, bundle, default, f"{entrypoint} does not allow it.")]
        return inner
    return [_unreadable(entrypoint, bundle, "The answer is neither a list of violations nor true or false.")]


def not_evaluated(entrypoint: str, bundle: str, reason: str) -> Violation:
    """Return the violation that stands for a policy without an answer."""
    return Violation(
        rule=UNEVALUATED,
        level=Level.MANDATORY,
        message=f"{entrypoint or bundle} has no answer: {reason}",
        remediation="Mend the policy or its input; what cannot be evaluated allows nothing.",
        bundle=bundle,
    )


def _violation(item: Any, entrypoint: str, bundle: str, default: Level) -> Violation:
    if isinstance(item, str):
        return _plain(entrypoint, bundle, default, item)
    if not isinstance(item, Mapping) or not (item.get("rule") or item.get("message") or item.get("msg")):
        return _unreadable(entrypoint, bundle, "A violation names neither its rule nor a message.")
    stated = item.get("level", default)
    level = Level(stated) if stated in {str(each) for each in Level} - {str(Level.NONE)} else Level.MANDATORY
    return Violation(
        rule=storable(str(item.get("rule") or entrypoint))[:200],
        level=level,
        message=storable(str(item.get("message") or item.get("msg") or ""))[:2000],
        path=storable(str(item.get("path") or ""))[:500],
        remediation=storable(str(item.get("remediation") or ""))[:2000],
        bundle=bundle,
    )


def _plain(entrypoint: str, bundle: str, level: Level, message: str) -> Violation:
    return Violation(rule=entrypoint, level=level, message=storable(message)[:2000], bundle=bundle)


def _unreadable(entrypoint: str, bundle: str, why: str) -> Violation:
    message = f"{entrypoint}: {why}"
    fix = "Let the rule yield objects with rule, level, message, path and remediation."
    return Violation(rule=UNREADABLE, level=Level.MANDATORY, message=message, remediation=fix, bundle=bundle)


def _exempts(exemption: Exemption, violation: Violation, subject: Subject, moment: datetime) -> bool:
    if exemption.expires_at <= moment or violation.rule in {UNEVALUATED, UNREADABLE}:
        return False
    if exemption.rule != violation.rule or exemption.bundle not in {None, violation.bundle}:
        return False
    if exemption.covers is not None and not _is_same(exemption.covers, subject):
        return False
    return exemption.scope is None or covers(exemption.scope, subject)


def _is_same(covered: Subject, subject: Subject) -> bool:
    """Tell whether it is the same try at the same gate; what nobody wrote down is the same as nothing."""
    is_known = covered.point is not None and bool(covered.judged)
    named = (covered.about, covered.point) == (subject.about, subject.point)
    return is_known and named and dict(covered.judged) == dict(subject.judged)


def _unique(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    return tuple(dict.fromkeys(violations))


def _is_like(name: str, pattern: str) -> bool:
    # Only * is special: a name may well hold the other characters that a shell would read.
    literal = "".join(f"[{char}]" if char in "?[" else char for char in pattern)
    return fnmatchcase(name, literal)


def _place(key: str, about: str) -> int:
    """Return a place from 0 to 99 that a subject always has."""
    return int.from_bytes(hashlib.sha256(f"{key}\0{about}".encode()).digest()[:8], "big") % 100


def _inside(one: str, other: str) -> bool:
    a, b = one.strip("/").split("/"), other.strip("/").split("/")
    a, b = ([] if a == [""] else a), ([] if b == [""] else b)
    shorter = min(len(a), len(b))
    return a[:shorter] == b[:shorter]
