"""One policy says what a pull request means: each rule by itself, and what holds whatever the facts are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.blueprint_spec import Follow
from catalog.environments.triggers import Act, Facts, decide, matches, strips
from catalog.providers.scm import Association, PullRequest, PullRequestState

OLD, NEW = "a" * 40, "b" * 40
OPEN = PullRequest(7, PullRequestState.OPEN, NEW, "feature", base="main", author="ann")
FACTS = Facts(OPEN, 0, OLD, None, moves=True, quarantined=False, changed=lambda: ("docs/a.md",))
FORK = replace(OPEN, is_fork=True)
DRAFT = replace(FACTS, pull_request=replace(OPEN, is_draft=True))
LOWEST = PullRequest(5, PullRequestState.OPEN, OLD, "lowest", base="main")
LOWER = PullRequest(6, PullRequestState.OPEN, OLD, "lower", base="lowest")
STACKED = replace(FACTS, pull_request=replace(OPEN, base="lower"), listed=lambda: (LOWEST, LOWER, OPEN))
CIRCLE = replace(FACTS, pull_request=replace(OPEN, base="lower"), listed=lambda: (replace(LOWER, base="feature"), OPEN))


@pytest.mark.parametrize(
    ("facts", "follow", "act", "rule"),
    [
        (FACTS, Follow(), Act.MOVE, "commit"),
        (replace(FACTS, seen_sha=NEW), Follow(), Act.KEEP, "unchanged"),
        (replace(FACTS, moves=False), Follow(), Act.KEEP, "leaving"),
        (replace(FACTS, quarantined=True), Follow(), Act.KEEP, "quarantine"),
        (replace(FACTS, pull_request=None, absences=1), Follow(), Act.KEEP, "missing"),
        (replace(FACTS, pull_request=None, absences=2), Follow(), Act.DISMISS, "missing"),
        (replace(FACTS, pull_request=replace(OPEN, state=PullRequestState.CLOSED)), Follow(), Act.DISMISS, "closed"),
        (FACTS, Follow(labels=("preview",)), Act.DISMISS, "label"),
        (replace(FACTS, pull_request=replace(OPEN, labels=frozenset({"preview"}))), Follow(labels=("preview",)),
         Act.MOVE, "commit"),
        (FACTS, Follow(bases=("release/*",)), Act.DISMISS, "base"),
        (FACTS, Follow(bases=("release/*", "main")), Act.MOVE, "commit"),
        (replace(FACTS, pull_request=replace(OPEN, is_draft=True)), Follow(drafts=False), Act.KEEP, "draft"),
        (replace(FACTS, pull_request=replace(OPEN, is_draft=True)), Follow(), Act.MOVE, "commit"),
        (DRAFT, Follow(drafts="build_only"), Act.BUILD, "draft"),
        (replace(DRAFT, approved_sha=NEW), Follow(drafts="build_only"), Act.MOVE, "commit"),
        (replace(DRAFT, approved_sha=OLD), Follow(drafts="build_only"), Act.BUILD, "draft"),
        (DRAFT, Follow(drafts="build_only", paths=("app/*",)), Act.NOTE, "path"),
        (replace(FACTS, pull_request=replace(FORK, is_draft=True)), Follow(drafts="build_only", forks="refuse"),
         Act.NOTE, "fork"),
        (FACTS, Follow(drafts="build_only"), Act.MOVE, "commit"),
        (replace(FACTS, pull_request=replace(OPEN, is_bot=True)), Follow(bots=False), Act.NOTE, "bot"),
        (replace(FACTS, pull_request=FORK), Follow(), Act.HOLD, "fork"),
        (replace(FACTS, pull_request=FORK), Follow(forks="refuse"), Act.NOTE, "fork"),
        (replace(FACTS, pull_request=FORK, approved_sha=NEW), Follow(), Act.MOVE, "commit"),
        (replace(FACTS, pull_request=FORK, approved_sha=OLD), Follow(), Act.HOLD, "fork"),
        (replace(FACTS, pull_request=replace(FORK, association=Association.MEMBER)), Follow(), Act.MOVE, "commit"),
        (replace(FACTS, pull_request=replace(FORK, association=Association.CONTRIBUTOR)), Follow(), Act.HOLD, "fork"),
        (replace(FACTS, pull_request=FORK), Follow(forks="strip"), Act.MOVE, "commit"),
        (replace(FACTS, pull_request=FORK, has_others=True), Follow(forks="strip"), Act.HOLD, "fork"),
        (replace(FACTS, pull_request=FORK, has_others=True, approved_sha=NEW), Follow(forks="strip"), Act.MOVE,
         "commit"),
        (replace(FACTS, pull_request=FORK), Follow(forks="build_only"), Act.BUILD, "fork"),
        (replace(FACTS, pull_request=FORK, approved_sha=NEW), Follow(forks="build_only"), Act.MOVE, "commit"),
        (replace(FACTS, busy=True), Follow(), Act.MOVE, "commit"),
        (replace(FACTS, busy=True), Follow(concurrency="queue"), Act.QUEUE, "concurrency"),
        (replace(FACTS, busy=True), Follow(concurrency="forbid"), Act.NOTE, "concurrency"),
        (replace(FACTS, seen_sha=NEW, seen_base="main"), Follow(), Act.KEEP, "unchanged"),
        (replace(FACTS, seen_sha=NEW, seen_base="develop"), Follow(), Act.MOVE, "base"),
        (STACKED, Follow(), Act.MOVE, "commit"),
        (STACKED, Follow(bases=("main",)), Act.MOVE, "commit"),
        (STACKED, Follow(bases=("release",)), Act.DISMISS, "base"),
        (STACKED, Follow(stacked="wait"), Act.KEEP, "stacked"),
        (STACKED, Follow(stacked="refuse"), Act.DISMISS, "stacked"),
        (FACTS, Follow(stacked="refuse"), Act.MOVE, "commit"),
        (CIRCLE, Follow(bases=("main",)), Act.DISMISS, "base"),
        (FACTS, Follow(paths=("app/*",)), Act.NOTE, "path"),
        (FACTS, Follow(paths=("docs/*", "app/*")), Act.MOVE, "commit"),
        (FACTS, Follow(paths=("!docs/*",)), Act.NOTE, "path"),
    ],
)  # fmt: skip
def test_each_rule_says_what_follows(facts: Facts, follow: Follow, act: Act, rule: str) -> None:
    decision = decide(facts, follow)
    assert (decision.act, decision.rule) == (act, rule)
    assert decision.why.endswith(".")


@st.composite
def pulls(draw: st.DrawFn) -> PullRequest:
    return replace(
        OPEN,
        state=draw(st.sampled_from(PullRequestState)),
        head_sha=draw(st.sampled_from([OLD, NEW])),
        base=draw(st.sampled_from(["main", "develop", ""])),
        association=draw(st.sampled_from(Association)),
        labels=draw(st.frozensets(st.sampled_from(["preview", "bug"]))),
        is_draft=draw(st.booleans()),
        is_bot=draw(st.booleans()),
        is_fork=draw(st.booleans()),
    )


@given(
    st.none() | pulls(),
    st.integers(0, 3),
    st.sampled_from([None, OLD, NEW]),
    st.booleans(),
    st.builds(
        Follow,
        drafts=st.sampled_from([True, False, "build_only"]),
        bots=st.booleans(),
        forks=st.sampled_from(["approve", "strip", "build_only", "refuse"]),
        labels=st.sampled_from([(), ("preview",)]),
        bases=st.sampled_from([(), ("main",)]),
        paths=st.sampled_from([(), ("app/*",), ("docs/*",)]),
    ),
)
def test_what_is_closed_goes_and_no_fork_runs_unasked(
    pull: PullRequest | None,
    absences: int,
    approved: str | None,
    moves: bool,  # noqa: FBT001  # drawn by Hypothesis
    follow: Follow,
) -> None:
    facts = replace(FACTS, pull_request=pull, absences=absences, approved_sha=approved, moves=moves)
    decision = decide(facts, follow)
    assert decision == decide(facts, follow)
    if pull is not None and pull.state is PullRequestState.CLOSED:
        assert decision.act is Act.DISMISS
    if pull is not None and pull.is_fork and decision.act is Act.MOVE:
        assert pull.association.is_trusted or approved == pull.head_sha or strips(pull, follow, approved)
        assert follow.forks != "refuse"
    if decision.act is Act.MOVE:
        assert not pull or not pull.is_draft or follow.drafts is True or approved == pull.head_sha
        assert moves
        assert pull is not None
        assert pull.head_sha != facts.seen_sha


def test_the_last_pattern_that_matches_counts() -> None:
    assert matches("app/main.py", ("app/*", "!app/*.md"))
    assert not matches("app/readme.md", ("app/*", "!app/*.md"))
    assert matches("app/deep/main.py", ("app/*",))
    assert not matches("docs/a.md", ("app/*",))
    assert matches("app.py", ("!docs/*",))
