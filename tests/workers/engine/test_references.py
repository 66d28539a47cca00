"""References between resources: what they are cut into, and which programs cannot work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine import EngineError, ErrorKind, ProgramResource, StackProgram
from workers.engine.references import Reference, in_order, references, split

names = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)
outputs = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
parts = st.lists(st.one_of(st.text(max_size=8), st.builds(Reference, names, outputs)), max_size=6)


def written(part: str | Reference) -> str:
    return part.replace("${", "$${") if isinstance(part, str) else f"${{{part.resource}.{part.output}}}"


def joined(pieces: list[str | Reference]) -> list[str | Reference]:
    """Return the pieces with neighbouring text put together."""
    result: list[str | Reference] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece != "":
            result.append(piece)
    return result


@given(parts)
def test_text_with_references_is_cut_where_it_was_joined(pieces: list[str | Reference]) -> None:
    # A dollar at the end of a text would join the brace that follows it.
    pieces = joined([piece.rstrip("$") if isinstance(piece, str) else piece for piece in pieces])

    cut = split("".join(written(piece) for piece in pieces))

    assert joined(cut) == joined(pieces)


@given(st.lists(names, min_size=1, max_size=8, unique=True), st.randoms())
def test_order_puts_each_resource_after_what_it_needs(chain: list[str], random: object) -> None:
    resources = [
        ProgramResource(name, "a:b:C", {"input": [f"${{{before}.id}}"]} if before else {})
        for before, name in zip([None, *chain], chain, strict=False)
    ]
    random.shuffle(resources)  # type: ignore[attr-defined]  # hypothesis types its random as object

    assert [resource.name for resource in in_order(StackProgram(tuple(resources)))] == chain


def test_references_are_found_at_any_depth() -> None:
    found = references({"a": ["x${one.port}", {"b": "${two.id}"}], "c": 3, "d": "$${three.id}"})

    assert list(found) == [Reference("one", "port"), Reference("two", "id")]


def resource(name: str, **inputs: str) -> ProgramResource:
    return ProgramResource(name, "a:b:C", inputs)


@pytest.mark.parametrize(
    ("program", "culprit", "reason"),
    [
        (StackProgram((resource("a"), resource("a"))), None, "two resources have the same name"),
        (StackProgram((resource("a", x="${b.id}"),)), "a", "refers to 'b', which is not in the program"),
        (StackProgram((resource("a", x="${b}"),)), None, "is not a reference of the form"),
        (StackProgram((resource("a", x="${a.id}"),)), None, "in a circle: a -> a"),
        (StackProgram((resource("a b"),)), "a b", "is not a name"),
        (StackProgram((ProgramResource("a", "Process"),)), "a", "is not a type of the form"),
        (StackProgram((), {"url": "${web.url}"}), None, "an output refers to 'web'"),
        (StackProgram((ProgramResource("a", "a:b:C", depends_on=("b",)),)), "a", "refers to 'b'"),
    ],
)
def test_program_that_cannot_work_is_refused(program: StackProgram, culprit: str | None, reason: str) -> None:
    with pytest.raises(EngineError, match=reason) as caught:
        in_order(program)

    assert (caught.value.kind, caught.value.resource) == (ErrorKind.FAILED, culprit)
