"""The translator of constraints: what each spelling of another ecosystem means, always shown as PEP 440."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.assets.constraints import suggested, translate
from catalog.assets.errors import InvalidConstraintError, InvalidReferenceError
from catalog.assets.references import parse_reference
from catalog.assets.versions import VersionNumber, allows, names_prerelease

SMALL = st.integers(0, 3)
FINALS = st.builds(VersionNumber, SMALL, SMALL, SMALL)
Numbers = tuple[int, ...]
PARTIALS = st.lists(SMALL, min_size=1, max_size=3).map(tuple)


def written(numbers: Numbers) -> str:
    return ".".join(map(str, numbers))


def whole(version: VersionNumber) -> Numbers:
    return version.sort_key[:3]


def padded(numbers: Numbers) -> Numbers:
    return (*numbers, 0, 0)[:3]


def meant(text: str, version: VersionNumber) -> bool:
    found = translate(text).constraint
    return allows(found, version, prereleases=names_prerelease(found))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("^1.2", ">=1.2,<2"),
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", "<1"),
        ("^ 1.2", ">=1.2,<2"),
        ("^1.2.3-beta.2", ">=1.2.3b2,<2"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("~> 1.2", "~=1.2"),
        ("~>1.2.3", "~=1.2.3"),
        ("~> 1.2, < 1.9", "~=1.2,<1.9"),
        ("1.x", "==1.*"),
        ("1.2.X", "==1.2.*"),
        ("1.2.*", "==1.2.*"),
        ("1", "==1.*"),
        ("1.2", "==1.2.*"),
        ("1.2.3", "==1.2.3"),
        ("v1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        ("1.2.3-rc.1", "==1.2.3rc1"),
        (">=1.2 <2", ">=1.2,<2"),
        (">= 1.2 < 2", ">=1.2,<2"),
        ("1.2 - 2.3", ">=1.2,<2.4"),
        ("1.2.3 - 2.3.4", ">=1.2.3,<=2.3.4"),
        ("[1.0,2.0)", ">=1.0,<2.0"),
        ("(1.0,2.0]", ">1.0,<=2.0"),
        ("[1.2.3]", "==1.2.3"),
        ("[1.0,)", ">=1.0"),
        ("*", ">=0"),
        ("x", ">=0"),
        ("latest", ">=0"),
        ("~latest", ">=0"),
        ("", ""),
        (">=1.2,<2", ">=1.2,<2"),
        ("~=1.4", "~=1.4"),
        ("!=1.3.0", "!=1.3.0"),
    ],
)
def test_each_spelling_has_one_canonical_form(text: str, canonical: str) -> None:
    assert translate(text).canonical == canonical
    assert translate(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("^1 || ^2", "one range"),
        ("~> 1", ">=1 or ==1.*"),
        ("1.x.3", "understood too"),
        ("^1.2.3-1", "-rc.N"),
        ("1.2.3+build", "Drop it"),
        ("1.2.3.4", "1.2.3"),
        ("newest", "understood too"),
        ("===1.0.0", "=="),
        ("[1.0", "understood too"),
        (">=", "understood too"),
        ("1" * 500, "shorter"),
        ("^\u0661", "understood too"),
    ],
)
def test_what_means_nothing_or_two_things_is_refused_with_the_fix(text: str, fix: str) -> None:
    with pytest.raises(InvalidConstraintError) as refusal:
        translate(text)
    assert fix in refusal.value.detail
    assert suggested(text) is None


@given(PARTIALS, FINALS)
def test_a_caret_keeps_the_leftmost_number_that_is_not_zero(base: Numbers, version: VersionNumber) -> None:
    numbers = whole(version)
    kept = next((i for i, number in enumerate(base) if number), len(base) - 1)
    expected = numbers >= padded(base) and numbers[: kept + 1] == padded(base)[: kept + 1]
    assert meant(f"^{written(base)}", version) == expected


@given(PARTIALS, FINALS)
def test_a_tilde_keeps_the_minor_number_where_one_is_written(base: Numbers, version: VersionNumber) -> None:
    numbers = whole(version)
    kept = 2 if len(base) > 1 else 1
    assert meant(f"~{written(base)}", version) == (numbers >= padded(base) and numbers[:kept] == base[:kept])


@given(st.lists(SMALL, min_size=2, max_size=3).map(tuple), FINALS)
def test_the_pessimistic_operator_lets_the_last_number_rise(base: Numbers, version: VersionNumber) -> None:
    numbers = whole(version)
    expected = numbers >= padded(base) and numbers[: len(base) - 1] == base[:-1]
    assert meant(f"~> {written(base)}", version) == expected


@given(PARTIALS, FINALS, st.sampled_from(["", ".x", ".*", ".X"]))
def test_a_partial_version_is_its_line(base: Numbers, version: VersionNumber, wildcard: str) -> None:
    text = written(base) + (wildcard if len(base) < 3 else "")
    assert meant(text, version) == (whole(version)[: len(base)] == base)


ORDERS: dict[str, Callable[[Numbers, Numbers], bool]] = {
    # On a partial version npm compares whole lines: those numbers only that were written.
    ">=": lambda numbers, base: numbers[: len(base)] >= base,
    "<=": lambda numbers, base: numbers[: len(base)] <= base,
    ">": lambda numbers, base: numbers[: len(base)] > base,
    "<": lambda numbers, base: numbers[: len(base)] < base,
}


@given(st.sampled_from(sorted(ORDERS)), PARTIALS, st.sampled_from(sorted(ORDERS)), PARTIALS, FINALS)
@example(">", (1,), "<=", (2, 1), VersionNumber(2, 1, 3))
def test_comparators_between_blanks_mean_what_npm_means(
    first: str, low: Numbers, second: str, high: Numbers, version: VersionNumber
) -> None:
    numbers = whole(version)
    text = f"{first}{written(low)} {second}{written(high)}"
    assert meant(text, version) == (ORDERS[first](numbers, low) and ORDERS[second](numbers, high))


@given(PARTIALS, PARTIALS, FINALS)
def test_a_hyphen_range_takes_both_lines_in(low: Numbers, high: Numbers, version: VersionNumber) -> None:
    numbers = whole(version)
    expected = numbers >= padded(low) and numbers[: len(high)] <= high
    assert meant(f"{written(low)} - {written(high)}", version) == expected


@given(PARTIALS, PARTIALS, FINALS, st.sampled_from("[("), st.sampled_from("])"))
def test_an_interval_takes_its_ends_in_where_the_bracket_is_square(
    low: Numbers, high: Numbers, version: VersionNumber, opening: str, closing: str
) -> None:
    numbers = whole(version)
    above = numbers >= padded(low) if opening == "[" else numbers > padded(low)
    below = numbers <= padded(high) if closing == "]" else numbers < padded(high)
    assert meant(f"{opening}{written(low)},{written(high)}{closing}", version) == (above and below)


@given(PARTIALS, st.sampled_from(["^", "~"]), st.builds(VersionNumber, SMALL, SMALL, SMALL, st.integers(0, 2), SMALL))
def test_no_spelling_brings_prereleases_in_that_it_does_not_name(
    base: Numbers, operator: str, version: VersionNumber
) -> None:
    assert not meant(f"{operator}{written(base)}", version)


@given(st.text(alphabet="^~><=!vxX*.,-0123456789abr []()", max_size=20))
def test_whatever_is_read_reads_back_as_itself(text: str) -> None:
    try:
        found = translate(text)
    except InvalidConstraintError:
        return
    assert translate(found.canonical).canonical == found.canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme/net", "acme/net"),
        ("acme/net^1.2", "acme/net>=1.2,<2"),
        ("acme/net ^1.2", "acme/net>=1.2,<2"),
        ("acme/net@^1.2", "acme/net>=1.2,<2"),
        ("acme/net@1.4.0", "acme/net==1.4.0"),
        ("acme/net@1.4.0-rc.1", "acme/net==1.4.0rc1"),
        ("acme/net@1.4", "acme/net==1.4.*"),
        ("acme/net@latest", "acme/net>=0"),
        ("acme/net ~> 1.2", "acme/net~=1.2"),
        ("acme/net>=1.2 <2", "acme/net>=1.2,<2"),
        ("acme/net 1.x", "acme/net==1.*"),
        ("acme/net[1.0,2.0)", "acme/net>=1.0,<2.0"),
    ],
)
def test_a_reference_takes_every_spelling(text: str, expected: str) -> None:
    assert str(parse_reference(text)) == expected


@pytest.mark.parametrize("text", ["acme/net@v", "acme/net@1.0.0-1", "acme/net ^1 || ^2", "acme/net@"])
def test_a_reference_with_a_bad_constraint_names_its_field(text: str) -> None:
    with pytest.raises(InvalidReferenceError) as refusal:
        parse_reference(text, "/blueprint")
    assert [each.pointer for each in refusal.value.errors] == ["/blueprint"]
