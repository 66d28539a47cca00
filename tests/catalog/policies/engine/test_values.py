"""Values of Rego: their text, their order, and the list of functions beside OPA's own."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.policies.engine.builtins import COMPILED_AWAY, HOST, NATIVE, REFUSED, refusal
from catalog.policies.engine.builtins.capabilities import release_capabilities
from catalog.policies.engine.values import (
    RegoSet,
    ValueRefusedError,
    as_json_text,
    as_key,
    dump,
    equal,
    order,
    parse,
    to_json,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.decimals(-1000, 1000, places=3)
    | st.text(st.characters(exclude_categories=["Cs"]))
)


def composite(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(RegoSet)
        | st.lists(st.tuples(inner, inner), max_size=4).map(lambda rows: {as_key(key): item for key, item in rows})
    )


VALUES = st.recursive(SCALARS, composite, max_leaves=12)


@given(VALUES)
def test_text_reads_as_the_same_value(value: Any) -> None:
    assert equal(parse(dump(value)), value)


@given(VALUES, VALUES)
def test_order_agrees_with_equality(left: Any, right: Any) -> None:
    assert (order(left) == order(right)) == equal(left, right)
    assert (order(left) < order(right)) + (order(left) == order(right)) + (order(left) > order(right)) == 1
    assert len(RegoSet([left, right, left])) == (1 if equal(left, right) else 2)


@given(VALUES)
def test_json_text_is_json(value: Any) -> None:
    json.loads(as_json_text(value))
    json.dumps(to_json(value))


def test_numbers_keep_their_text_and_true_is_not_one() -> None:
    assert dump(parse("[1.50, 10000000000000000000000000000001]")) == "[1.50,10000000000000000000000000000001]"
    assert equal(1, Decimal("1.0"))
    assert not equal(1, parse("true"))
    assert len(RegoSet([0, parse("false"), Decimal("0.0")])) == 2


def test_order_of_types() -> None:
    values = [RegoSet([1]), {"a": 1}, [1], "a", Decimal("0.5"), parse("true"), None]
    assert sorted(values, key=order) == values[::-1]


@pytest.mark.parametrize(
    "text",
    ["", "{1", "[1,]", "{1:}", "set(", "1 2", '"\\ud8"x', "nul", "1e999999999999", "9" * 5000, "[" * 5000, "{" * 2000],
)
def test_text_that_is_refused(text: str) -> None:
    with pytest.raises(ValueRefusedError):
        parse(text)


def test_nested_sets_are_read_once() -> None:
    assert len(dump(parse("{" * 300 + "1" + "}" * 300))) == 601


def test_every_function_of_opa_is_in_one_group(opa: Path) -> None:
    printed = subprocess.run([opa, "capabilities", "--current"], capture_output=True, check=True).stdout
    current = json.loads(printed)
    names = {each["name"] for each in current["builtins"]}
    groups = [set(HOST), set(NATIVE), set(COMPILED_AWAY), set(REFUSED)]
    assert set().union(*groups) == names
    assert sum(map(len, groups)) == len(names)
    allowed = release_capabilities(current)
    assert {each["name"] for each in allowed["builtins"]} == names - set(REFUSED)
    assert allowed["allow_net"] == []


@pytest.mark.parametrize(
    "name", ["http.send", "opa.runtime", "net.lookup_ip_addr", "bits.lsh", "rego.parse_module", "no.such"]
)
def test_what_is_refused_has_a_reason(name: str) -> None:
    assert refusal(name)
