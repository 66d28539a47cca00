"""Files of a stranger as text, and what differs between two of them."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.texts import AROUND, MOST_BYTES, MOST_COMPARED, MOST_IN_LINE, MOST_LINES, difference, read_text

LINES = st.lists(st.sampled_from("abcde"), max_size=40)


@given(LINES, LINES)
def test_a_difference_holds_every_line_that_was_cut_or_added(before: list[str], after: list[str]) -> None:
    found = difference(before, after)
    assert (found == []) == (before == after)
    # What was left out stood in both, so the counts of the rest say how many there are in all.
    cut, added = (sum(each.mark == mark for each in found) for mark in ("cut", "add"))
    assert len(before) - cut == len(after) - added
    rest = [each for each in found if each.mark != "gap"]
    if len(rest) - added == len(before):
        assert [each.text for each in rest if each.mark != "add"] == before
        assert [each.text for each in rest if each.mark != "cut"] == after
    for is_same, lines in groupby(rest, lambda each: each.mark == "same"):
        assert not is_same or len(list(lines)) <= 4 * AROUND


def test_what_stayed_is_left_out_but_for_what_stands_around() -> None:
    before = [f"line {number}" for number in range(100)]
    after = [*before[:50], "new", *before[51:]]
    found = [(each.mark, each.text) for each in difference(before, after)]
    assert found == [
        ("gap", "47 lines as before"),
        *(("same", f"line {number}") for number in (47, 48, 49)),
        ("cut", "line 50"),
        ("add", "new"),
        *(("same", f"line {number}") for number in (51, 52, 53)),
        ("gap", "46 lines as before"),
    ]


def test_much_that_differs_is_shown_as_a_whole_and_not_compared() -> None:
    before, after = (["x", f"y{place}", *["x", "y"] * MOST_COMPARED, f"z{place}"] for place in range(2))
    marks = [each.mark for each in difference(before, after)]
    assert marks == ["same", *["cut"] * (len(before) - 1), *["add"] * (len(after) - 1)]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b", b"caf\xe9"])
def test_what_is_no_text_is_said_to_be_none(data: bytes) -> None:
    assert read_text("a", data, len(data)).problem == "It is not text."


def test_only_the_beginning_of_a_file_is_shown() -> None:
    whole = "é".encode() * MOST_BYTES
    cut = read_text("a", whole[: MOST_BYTES + 1], len(whole))
    assert cut.is_cut
    assert not cut.problem, "though the last character is half there, or the bound is odd"
    assert len(cut.lines[0]) <= MOST_IN_LINE + 2
    long = b"\n" * (MOST_LINES + 5)
    assert (len(read_text("a", long, len(long)).lines), read_text("a", long, len(long)).is_cut) == (MOST_LINES, True)
    assert read_text("a", b"", 0).lines == []
    assert not read_text("a", b"a\r\nb\n", 5).is_cut
    wide = b"x" * MOST_IN_LINE
    assert [read_text("a", wide + more, len(wide + more)).is_cut for more in (b"\n", b"y\n")] == [False, True]


def test_what_cannot_be_seen_is_made_visible() -> None:
    data = "if admin\u202e {\tx\x1b[2J".encode()
    assert list(read_text("a", data, len(data)).lines) == ["if admin\\u202e {\tx\\x1b[2J"]
