"""Followers of logs: every line once and in order, whatever the pieces; what was missed is left out, never repeated."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.process_host.logs import CappedLog, after

LINES = st.lists(st.text(alphabet="abc é", max_size=30), max_size=30)


@given(writes=st.lists(LINES, max_size=8), most=st.integers(600, 900))
def test_pieces_make_up_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, writes: list[list[str]], most: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "web.log"
    log = CappedLog(path)
    position, read = 0, list[str]()
    for lines in writes:
        log.write("".join(f"{line}\n" for line in lines).encode())
        found, now = after(path, position, most)
        while now != position:
            read, position = [*read, *found], now
            found, now = after(path, position, most)
    log.close()
    assert read == [line for lines in writes for line in lines]


def test_a_beginning_is_near_the_end_and_a_new_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("".join(f"line {number}\n" for number in range(1000)))
    lines, position = after(path, None, 100)
    assert lines[-1] == "line 999"
    assert len(lines) < 12
    assert after(path, position, 100) == ([], position)
    with path.open("a") as file:
        file.write("more\nhalf")
    assert after(path, position, 100) == (["more"], position + 5)
    path.write_text("anew\n")
    assert after(path, position, 100) == (["anew"], 5)


def test_a_line_without_an_end_is_handed_out_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("x" * 250)
    first, position = after(path, 0, 100)
    assert (first, position) == (["x" * 100], 100)
