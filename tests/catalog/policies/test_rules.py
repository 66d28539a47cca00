"""The arithmetic of policies: what counts for whom, and that nothing more can ever allow what was denied."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.gating import GatePoint, Level, Violation
from catalog.policies import rules
from catalog.policies.models import Mode, ScopeKind
from catalog.policies.rules import Exemption, Found, Subject
from catalog.policies.shapes import Scope, Stage

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEB = Subject(
    "releases/web@1.4.0",
    GatePoint.RELEASE,
    service="web",
    labels={"tier": "critical"},
    environments=("web-pr-1",),
    target="local",
    judged={"digests": ["sha256:a"]},
)
STOPPING = (Level.ADVISORY, Level.OVERRIDABLE, Level.MANDATORY)

names = st.sampled_from(["a", "b", "c"])
scopes = st.one_of(
    st.none(),
    st.builds(Scope, kind=st.just(ScopeKind.SERVICE), name=st.sampled_from(["web", "we*", "billing"])),
    st.builds(Scope, kind=st.just(ScopeKind.TENANT)),
)
founds = st.builds(
    Found,
    st.builds(
        Violation, rule=names, level=st.sampled_from(STOPPING), message=names, bundle=st.sampled_from(["x/y", "z/w"])
    ),
    st.sampled_from(STOPPING),
    st.sampled_from([Mode.SHADOW, Mode.ADVISORY, Mode.ENFORCED]),
)
exemptions = st.builds(
    Exemption,
    names,
    st.sampled_from([None, "x/y"]),
    st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)]),
    scope=scopes,
    covers=st.sampled_from([None, WEB, Subject("releases/other@1", GatePoint.RELEASE, judged={"digests": ["a"]})]),
)


@given(st.lists(founds, max_size=8), founds, st.lists(exemptions, max_size=4))
def test_one_more_finding_never_allows_what_was_denied(
    found: list[Found], more: Found, exempt: list[Exemption]
) -> None:
    before = rules.decide(found, exempt, WEB, NOW)
    after = rules.decide([*found, more], exempt, WEB, NOW)
    assert before.allowed or not after.allowed
    assert after.level.rank >= before.level.rank


@given(st.lists(founds, max_size=8), st.lists(exemptions, max_size=5))
def test_what_has_expired_never_counts(found: list[Found], exempt: list[Exemption]) -> None:
    holding = [each for each in exempt if each.expires_at > NOW]
    assert rules.decide(found, exempt, WEB, NOW) == rules.decide(found, holding, WEB, NOW)


@given(st.lists(founds, max_size=8), st.lists(exemptions, max_size=4))
def test_the_order_of_bindings_does_not_matter(found: list[Found], exempt: list[Exemption]) -> None:
    one, other = rules.decide(found, exempt, WEB, NOW), rules.decide(found[::-1], exempt, WEB, NOW)
    assert (one.allowed, one.level) == (other.allowed, other.level)
    assert set(one.violations) == set(other.violations)


@given(st.lists(founds, max_size=8))
def test_shadow_never_counts_and_advice_never_stops(found: list[Found]) -> None:
    shadow = [Found(each.violation, each.binding_level, Mode.SHADOW) for each in found]
    advice = [Found(each.violation, each.binding_level, Mode.ADVISORY) for each in found]
    assert rules.decide(shadow, [], WEB, NOW).violations == ()
    assert rules.decide(advice, [], WEB, NOW).allowed


@given(st.lists(exemptions, max_size=6))
def test_what_has_no_answer_can_be_neither_waived_nor_overridden(exempt: list[Exemption]) -> None:
    unanswered = Found(rules.not_evaluated("a/deny", "x/y", "out of fuel"), Level.MANDATORY, Mode.ENFORCED)
    named = [*exempt, Exemption(rules.UNEVALUATED, None, NOW + timedelta(days=1))]
    assert not rules.decide([unanswered], named, WEB, NOW).allowed


def found(level: Level = Level.MANDATORY, binding: Level = Level.MANDATORY, rule: str = "a") -> Found:
    return Found(Violation(rule=rule, level=level, message="m", bundle="x/y"), binding, Mode.ENFORCED)


@pytest.mark.parametrize(
    ("own", "binding", "result"),
    [
        (Level.MANDATORY, Level.MANDATORY, Level.MANDATORY),
        (Level.MANDATORY, Level.OVERRIDABLE, Level.OVERRIDABLE),
        (Level.MANDATORY, Level.ADVISORY, Level.ADVISORY),
        (Level.ADVISORY, Level.MANDATORY, Level.ADVISORY),
        (Level.OVERRIDABLE, Level.MANDATORY, Level.OVERRIDABLE),
    ],
)
def test_the_weaker_of_rule_and_binding_decides(own: Level, binding: Level, result: Level) -> None:
    decision = rules.decide([found(own, binding)], [], WEB, NOW)
    assert decision.level is result
    assert decision.allowed is (result is Level.ADVISORY)


@pytest.mark.parametrize("rule", [rules.UNEVALUATED, rules.UNREADABLE])
@pytest.mark.parametrize(
    ("binding", "mode", "result"),
    [
        (Level.MANDATORY, Mode.ENFORCED, Level.MANDATORY),
        (Level.OVERRIDABLE, Mode.ENFORCED, Level.MANDATORY),
        (Level.ADVISORY, Mode.ENFORCED, Level.ADVISORY),
        (Level.MANDATORY, Mode.ADVISORY, Level.ADVISORY),
        (Level.OVERRIDABLE, Mode.ADVISORY, Level.ADVISORY),
    ],
)
def test_what_has_no_answer_stops_unless_the_binding_is_advisory(
    rule: str, binding: Level, mode: Mode, result: Level
) -> None:
    missing = Found(rules.not_evaluated("t/deny", "x/y", "undefined"), binding, mode)
    found_ = replace(missing, violation=missing.violation.model_copy(update={"rule": rule}))
    decision = rules.decide([found_], [], WEB, NOW)
    assert (decision.level, decision.allowed) == (result, result is Level.ADVISORY)
    assert [each.rule for each in decision.violations] == [rule]


def test_an_override_lets_through_only_what_may_be_overridden() -> None:
    override = Exemption("a", "x/y", NOW + timedelta(days=1), covers=WEB)
    overridable = rules.decide([found(binding=Level.OVERRIDABLE)], [override], WEB, NOW)
    assert overridable.allowed
    assert [each.rule for each in overridable.overridden] == ["a"]
    assert not rules.decide([found()], [override], WEB, NOW).allowed


OTHERS = [
    replace(WEB, about="releases/web@1.5.0"),
    replace(WEB, point=GatePoint.ROLLOUT_STEP),
    replace(WEB, point=None),
    replace(WEB, judged={"digests": ["sha256:b"]}),
    replace(WEB, judged={}),
]


@pytest.mark.parametrize("other", OTHERS)
def test_an_override_covers_one_try_at_one_gate(other: Subject) -> None:
    until = NOW + timedelta(days=1)
    for covered, subject in ((WEB, other), (other, WEB)):
        override = Exemption("a", "x/y", until, covers=covered)
        assert not rules.decide([found(binding=Level.OVERRIDABLE)], [override], subject, NOW).allowed


@pytest.mark.parametrize("unknown", [replace(WEB, judged={}), replace(WEB, point=None)])
def test_an_override_without_a_gate_or_what_was_judged_covers_nothing(unknown: Subject) -> None:
    override = Exemption("a", "x/y", NOW + timedelta(days=1), covers=unknown)
    assert not rules.decide([found(binding=Level.OVERRIDABLE)], [override], unknown, NOW).allowed


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope(kind=ScopeKind.SERVICE), True),
        (Scope(kind=ScopeKind.SERVICE, name="w*"), True),
        (Scope(kind=ScopeKind.SERVICE, name="we?"), False),
        (Scope(kind=ScopeKind.SERVICE, labels={"tier": "critical"}), True),
        (Scope(kind=ScopeKind.SERVICE, labels={"tier": "low"}), False),
        (Scope(kind=ScopeKind.ENVIRONMENT, name="web-pr-*"), True),
        (Scope(kind=ScopeKind.ENVIRONMENT, target="local"), True),
        (Scope(kind=ScopeKind.ENVIRONMENT, target="aws"), False),
        (Scope(kind=ScopeKind.ASSET), False),
    ],
)
def test_scopes(scope: Scope, *, covered: bool) -> None:
    assert rules.covers(scope, WEB) is covered


def test_stages_follow_each_other() -> None:
    stages = [
        Stage(mode=Mode.SHADOW, starts_at=NOW),
        Stage(mode=Mode.ADVISORY, starts_at=NOW + timedelta(days=7)),
        Stage(mode=Mode.ENFORCED, starts_at=NOW + timedelta(days=14)),
    ]
    days = {-1: Mode.PENDING, 0: Mode.SHADOW, 8: Mode.ADVISORY, 20: Mode.ENFORCED}
    assert {day: rules.mode_at(stages, "k", WEB, NOW + timedelta(days=day)) for day in days} == days


@given(st.integers(1, 99))
def test_a_larger_share_keeps_those_of_a_smaller_one(share: int) -> None:
    subjects = [Subject(f"releases/web@{number}") for number in range(60)]

    def inside(percent: int) -> set[str]:
        stages = [Stage(mode=Mode.ENFORCED, starts_at=NOW, share=percent)]
        return {each.about for each in subjects if rules.mode_at(stages, "k", each, NOW) is Mode.ENFORCED}

    assert inside(share) <= inside(share + 1)
    assert len(inside(100)) == len(subjects)


ANSWERS: list[tuple[Any, str, list[str]]] = [
    ([], "a/deny", []),
    ([{"rule": "r", "level": "advisory", "message": "m"}], "a/deny", ["r"]),
    ([{"msg": "m"}], "a/deny", ["a/deny"]),
    (["m"], "a/deny", ["a/deny"]),
    (True, "a/allow", []),
    (False, "a/allow", ["a/allow"]),
    (True, "a/deny", ["a/deny"]),
    (False, "a/deny", []),
    ({"allow": True, "violations": []}, "a/main", []),
    ({"allow": False}, "a/main", ["a/main"]),
    ({"allow": True, "violations": [{"rule": "r", "message": "m"}]}, "a/main", ["r"]),
    ({"allow": "yes"}, "a/main", ["a/main"]),
    ({"allow": False, "violations": [{"rule": "r", "message": "m"}]}, "a/main", ["r"]),
    ({"allow": False, "violations": [{"rule": "r", "message": "m", "level": "advisory"}]}, "a/main", ["r", "a/main"]),
    ("allowed", "a/deny", [rules.UNREADABLE]),
    (None, "a/allow", [rules.UNREADABLE]),
    (1, "a/deny", [rules.UNREADABLE]),
    ({}, "a/deny", [rules.UNREADABLE]),
    ([1], "a/deny", [rules.UNREADABLE]),
    ([{}], "a/deny", [rules.UNREADABLE]),
]


@pytest.mark.parametrize(("value", "entrypoint", "named"), ANSWERS)
def test_answers(value: Any, entrypoint: str, named: list[str]) -> None:
    assert [each.rule for each in rules.answers(value, entrypoint, "x/y", Level.MANDATORY)] == named


def test_what_a_database_cannot_hold_is_replaced() -> None:
    (violation,) = rules.answers(
        [{"rule": "r\0", "message": "a\0b", "path": "\ud800"}], "a/deny", "x/y", Level.MANDATORY
    )
    assert (violation.rule, violation.message, violation.path) == ("r\ufffd", "a\ufffdb", "\ufffd")


def test_a_level_that_is_none_stops() -> None:
    (violation,) = rules.answers([{"rule": "r", "message": "m", "level": "whatever"}], "a/deny", "x/y", Level.ADVISORY)
    assert violation.level is Level.MANDATORY


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (["a"], ["b"], []),
        (["a"], ["a"], ["a"]),
        (["a"], ["a/b"], ["a/b"]),
        (["a"], ["ab"], []),
        ([""], ["a"], ["a"]),
        (["a/b", "c"], ["c/d", "a"], ["a/b", "c/d"]),
    ],
)
def test_overlapping_roots(one: list[str], other: list[str], shared: list[str]) -> None:
    assert [each.root for each in rules.overlapping({"x/one": one, "x/two": other})] == shared
