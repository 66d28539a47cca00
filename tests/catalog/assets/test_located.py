"""Reading YAML and JSON of strangers: what is accepted, what is refused, and on which line."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.assets.findings import Finding
from catalog.assets.located import Bounds, DocumentRefusedError, load_json, load_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


def refused(data: bytes) -> Finding:
    with pytest.raises(DocumentRefusedError) as refusal:
        load_yaml(data, "asset.yaml")
    return refusal.value.finding


@given(DOCUMENTS)
@settings(max_examples=80, deadline=None)
def test_json_data_reads_the_same_as_json(value: Any) -> None:
    assert load_json(json.dumps(value).encode(), "x.json") == value


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (load_yaml, load_json):
        try:
            read(data, "x")
        except DocumentRefusedError:
            continue


def test_plain_values_are_those_of_json() -> None:
    document = load_yaml(b"[yes, on, 2020-01-01, 1:30, 0o7, 1.5, -3, true, null, ~, '1', .inf, <<]", "x")
    assert document.value == ["yes", "on", "2020-01-01", "1:30", "0o7", 1.5, -3, True, None, None, "1", ".inf", "<<"]


def test_every_part_has_its_line() -> None:
    document = load_yaml(b"a: 1\nb:\n  - x\n  - y: 2\nc: {d: 3}\n", "x")
    assert document.line(("b",)) == 2
    assert document.line(("b", 1, "y")) == 4
    assert document.line(("c", "d", "unknown", "deeper")) == 5
    assert document.line(("nothing",)) == 1


@pytest.mark.parametrize(
    ("data", "rule", "line"),
    [
        (b"a: 1\nb: [", "yaml", 2),
        (b"a: 1\n\nb: 2\na: 3\n", "duplicate-key", 4),
        (b"a: 1\nb: !!python/object/apply:os.system [ls]\n", "yaml-tag", 2),
        (b"b: !custom 1\n", "yaml-tag", 1),
        (b"a: 1\n---\nb: 2\n", "yaml", 2),
        (b"\n1: a\n", "yaml-key", 2),
        (b"? [a]\n: b\n", "yaml-key", 1),
        (b"a: 1\nb: 12345678901234567890\n", "yaml-value", 2),
        (b"a: 1e999\n", "yaml-value", 1),
        (b'a: "\\0"\n', "yaml-value", 1),
        (b"a: &x [*x]\n", "yaml-alias", 1),
        (b"a: 1\nb: \xff\n", "encoding", 2),
        (b"", "yaml", 1),
        (b"[" * 40, "document-depth", 1),
        (b"x" * 70_000, "document-size", None),
        (b"[" + b"a," * 25_000 + b"]", "document-size", 1),
    ],
)
def test_what_is_refused_says_where(data: bytes, rule: str, line: int | None) -> None:
    finding = refused(data)
    assert (finding.rule, finding.line) == (rule, line)
    assert finding.fix


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["l0: &l0 [x, x, x, x, x]"] + [f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}, *l{i - 1}]" for i in range(1, 12)]
    assert refused("\n".join(lines).encode()).rule == "yaml-alias"
    assert refused(b"a: &a 1\nb: [" + b"*a, " * 60 + b"]").rule == "yaml-alias"


def test_a_few_aliases_are_fine() -> None:
    assert load_yaml(b"a: &a [1]\nb: *a\n", "x").value == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    "data", [b'{"a": 1, "a": 2}', b"NaN", b"[Infinity]", b"[1", b"[12345678901234567890]", b'"\\ud800"']
)
def test_json_that_cannot_be_carried_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentRefusedError):
        load_json(data, "x.json")


def test_json_of_too_many_parts_is_refused() -> None:
    with pytest.raises(DocumentRefusedError, match="more than 20000 parts"):
        load_json(json.dumps([0] * 20_001).encode(), "x.json")


def test_deep_json_is_refused() -> None:
    for depth in (40, 100_000):
        with pytest.raises(DocumentRefusedError, match="deeper"):
            load_json(b"[" * depth + b"]" * depth, "x.json", Bounds(size=1_000_000))
