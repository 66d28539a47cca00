"""Files of a version as text that is safe to show: no more than a page of it, and what cannot be seen made visible."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from catalog.assets.findings import printable

MOST_BYTES = 128 * 1024
"""How much of a file is read."""
MOST_LINES = 2_000
MOST_IN_LINE = 1_000
MOST_COMPARED = 300
"""How many lines are compared with each other, of what stands between a common beginning and a common end.

What differs further is shown as taken away and put there as a whole, so that no file makes comparing it slow.
"""
AROUND = 3
"""How many lines that stayed are shown around a change."""

Mark = Literal["same", "add", "cut", "gap"]


@dataclass(frozen=True)
class FileText:
    """A file's text, of ``size`` bytes; ``problem`` says why there is none, ``is_cut`` whether it or a line goes on."""

    path: str
    size: int
    lines: Sequence[str] = ()
    problem: str = ""
    is_cut: bool = False


@dataclass(frozen=True)
class DiffLine:
    """One line of a difference: it stayed, was added, was cut out, or stands for lines that are left out."""

    mark: Mark
    text: str


def read_text(path: str, data: bytes, size: int) -> FileText:
    """Return the first ``MOST_BYTES`` of a file of ``size`` bytes as text."""
    head = data[:MOST_BYTES]
    is_cut = size > len(head)
    try:
        # Without the end, the last character may be half there.
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=not is_cut)
    except UnicodeDecodeError:
        return FileText(path, size, problem="It is not text.")
    if "\0" in text:
        return FileText(path, size, problem="It is not text.")
    lines = text.removesuffix("\n").split("\n")
    kept = [each.removesuffix("\r") for each in lines[:MOST_LINES]] if text else []
    is_cut = is_cut or len(lines) > MOST_LINES or any(len(each) > MOST_IN_LINE for each in kept)
    return FileText(path, size, [_visible(each) for each in kept], is_cut=is_cut)


def difference(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    """Return the lines that differ from ``before`` to ``after`` with some around them; empty where none do."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not old and not new:
        return []
    lead, tail = before[:start], before[len(before) - end :]
    found = [DiffLine("gap", _left_out(len(lead) - AROUND))] if len(lead) > AROUND else []
    found += [DiffLine("same", each) for each in lead[-AROUND:]]
    found += _changes(old, new)
    found += [DiffLine("same", each) for each in tail[:AROUND]]
    return [*found, DiffLine("gap", _left_out(len(tail) - AROUND))] if len(tail) > AROUND else found


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    steps = [("replace", 0, len(old), 0, len(new))]
    if max(len(old), len(new)) <= MOST_COMPARED:
        steps = list(SequenceMatcher(None, old, new).get_opcodes())
    for what, first, last, first_new, last_new in steps:
        kept = old[first:last]
        if what == "equal":
            shown = kept if len(kept) <= 2 * AROUND else kept[:AROUND]
            yield from (DiffLine("same", each) for each in shown)
            if len(shown) < len(kept):
                yield DiffLine("gap", _left_out(len(kept) - 2 * AROUND))
                yield from (DiffLine("same", each) for each in kept[-AROUND:])
        else:
            yield from (DiffLine("cut", each) for each in kept)
            yield from (DiffLine("add", each) for each in new[first_new:last_new])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines two texts begin with in common."""
    for place, (mine, yours) in enumerate(zip(one, other, strict=False)):
        if mine != yours:
            return place
    return min(len(one), len(other))


def _left_out(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'} as before"


def _visible(line: str) -> str:
    shown = "\t".join(printable(each) for each in line[:MOST_IN_LINE].split("\t"))
    return f"{shown} …" if len(line) > MOST_IN_LINE else shown
