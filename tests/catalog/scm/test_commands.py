"""Commands in comments: what is one, who may give it, and that listings alone make events."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.providers.scm import Association, PullRequest, PullRequestState
from catalog.scm import rules
from catalog.scm.commands import Command, Verb, may_command, parse_command

REPOSITORY = UUID(int=1)


@pytest.mark.parametrize(
    ("comment", "command"),
    [
        ("/preview up", Command(Verb.UP)),
        ("Thanks!\r\n\r\n/preview  extend  24h \r\nBye", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/preview extend 90m", Command(Verb.EXTEND, timedelta(minutes=90))),
        ("/preview extend 2d", Command(Verb.EXTEND, timedelta(days=2))),
        ("/preview nonsense\n/preview status", Command(Verb.STATUS)),
    ],
)
def test_commands(comment: str, command: Command) -> None:
    assert parse_command(comment) == command
    assert parse_command(f"/preview {command.line}") == command


@pytest.mark.parametrize(
    "comment",
    [
        *("", "preview up", "> /preview down", "Say /preview down", "/preview", "/preview down now"),
        *("/preview extend", "/preview extend 0h", "/preview extend 1y", "/preview extend -1h", "/previewdown"),
        "/preview extend 9999h",
    ],
)
def test_what_is_no_command(comment: str) -> None:
    assert parse_command(comment) is None


@given(st.text(max_size=300))
def test_any_text_is_read(comment: str) -> None:
    parse_command(comment)
    parse_command(f"/preview {comment}")


def test_who_may_command() -> None:
    down, status = Command(Verb.DOWN), Command(Verb.STATUS)
    trusted = {each for each in Association if may_command(down, each, is_fork=False)}
    assert trusted == {Association.OWNER, Association.MEMBER, Association.COLLABORATOR}
    assert {each for each in Association if may_command(down, each, is_fork=True)} == {
        Association.OWNER,
        Association.MEMBER,
    }
    assert all(may_command(status, each, is_fork=True) for each in Association)


PULLS = st.lists(
    st.builds(
        PullRequest,
        number=st.integers(1, 5),
        state=st.just(PullRequestState.OPEN),
        head_sha=st.sampled_from(["a" * 40, "b" * 40]),
        branch=st.just("x"),
        base=st.sampled_from(["main", "next"]),
        labels=st.sets(st.sampled_from(["one", "two"])).map(frozenset),
    ),
    unique_by=lambda each: each.number,
)


@given(st.lists(PULLS, max_size=6))
def test_events_of_listings_add_up_to_the_last_one(listings: list[list[PullRequest]]) -> None:
    known: dict[int, str] = {}
    before: dict[str, object] = {}
    for listed in listings:
        after = rules.snapshot(listed)
        for event in rules.differences(REPOSITORY, "r", before, after):
            number, name = event.pull_request, type(event).__name__  # type: ignore[attr-defined]
            if name == "PullRequestClosed":
                del known[number]
            else:
                assert (number in known) == (name != "PullRequestOpened")
                known[number] = event.head_sha  # type: ignore[attr-defined]
        assert rules.differences(REPOSITORY, "r", after, after) == []
        before = dict(after)
        assert known == {each.number: each.head_sha for each in listed}
