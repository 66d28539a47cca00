"""The compatibility gate: a corpus of schema pairs with the verdict that each must get."""

from typing import Any

import pytest

from catalog.assets.compatibility import Bump, Faces, Verdict, compare, predecessor
from catalog.assets.models import VersionState
from catalog.assets.schemas import DIALECT
from catalog.assets.versions import parse_version

NONE, PATCH, MINOR, MAJOR = Bump.NONE, Bump.PATCH, Bump.MINOR, Bump.MAJOR
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}


def obj(*required: str, closed: bool = True, **properties: Any) -> dict[str, Any]:
    """Return an object's schema; its names are the keyword arguments."""
    schema: dict[str, Any] = {"$schema": DIALECT, "type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema if not closed else {**schema, "additionalProperties": False}


def one(schema: Any) -> dict[str, Any]:
    """Return the schema of an object with one input, a."""
    return obj(a=schema)


def text(**keywords: Any) -> dict[str, Any]:
    return {"type": "string", **keywords}


def whole(**keywords: Any) -> dict[str, Any]:
    return {"type": "integer", **keywords}


def listed(items: Any, **keywords: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **keywords}


BLUE, RED = (
    {"type": "object", "properties": {"kind": {"const": "blue"}, "x": WHOLE}, "required": ["kind"]},
    {
        "type": "object",
        "properties": {"kind": {"const": "red"}, "y": TEXT},
        "required": ["kind"],
    },
)
GREEN = {"type": "object", "properties": {"kind": {"const": "green"}}, "required": ["kind"]}
WHEN = {"if": {"properties": {"a": {"const": "x"}}, "required": ["a"]}, "then": {"required": ["b"]}}

INPUTS: list[tuple[str, dict[str, Any], dict[str, Any], Bump, str]] = [
    ("nothing changed", obj("a", a=TEXT), obj("a", a=TEXT), NONE, ""),
    ("another order", obj(a=TEXT, b=WHOLE), obj(b=WHOLE, a=TEXT), NONE, ""),
    ("another title", one(text(title="A")), one(text(title="B")), PATCH, "/a"),
    ("another description", one(TEXT), one(text(description="What for.")), PATCH, "/a"),
    ("deprecated", one(TEXT), one(text(deprecated=True)), PATCH, "/a"),
    ("an optional input came", obj(a=TEXT), obj(a=TEXT, b=TEXT), MINOR, "/b"),
    ("an optional input came to an open object", obj(a=TEXT, closed=False), obj(a=TEXT, b=TEXT, closed=False),
     MINOR, "/b"),
    ("an input with a default came", obj(a=TEXT), obj("b", a=TEXT, b=text(default="x")), MINOR, "/b"),
    ("a required input came", obj(a=TEXT), obj("b", a=TEXT, b=TEXT), MAJOR, "/b"),
    ("the first input came", {}, obj(a=TEXT), MINOR, "/a"),
    ("the first required input came", {}, obj("a", a=TEXT), MAJOR, "/a"),
    ("every input went", obj(a=TEXT), {}, MAJOR, "/a"),
    ("an input went", obj(a=TEXT, b=TEXT), obj(a=TEXT), MAJOR, "/b"),
    ("an input went from an open object", obj(a=TEXT, b=TEXT, closed=False), obj(a=TEXT, closed=False), MAJOR, "/b"),
    ("an input was renamed", obj(a=TEXT), obj(b=TEXT), MAJOR, "/a"),
    ("an input became required", obj(a=TEXT), obj("a", a=TEXT), MAJOR, "/a"),
    ("a default that was there became required", one(text(default="x")), obj("a", a=text(default="x")), MINOR, ""),
    ("an input became optional", obj("a", a=TEXT), obj(a=TEXT), MINOR, ""),
    ("a required input lost its default", obj("a", a=text(default="x")), obj("a", a=TEXT), MAJOR, "/a"),
    ("an optional input lost its default", one(text(default="x")), one(TEXT), MINOR, "/a"),
    ("a default changed", one(text(default="x")), one(text(default="y")), MINOR, "/a"),
    ("a default came", one(TEXT), one(text(default="y")), MINOR, "/a"),
    ("the object was closed", obj(a=TEXT, closed=False), obj(a=TEXT), MAJOR, ""),
    ("the object was opened", obj(a=TEXT), obj(a=TEXT, closed=False), MINOR, ""),
    ("another type", one(TEXT), one(WHOLE), MAJOR, "/a"),
    ("a wider type", one(WHOLE), one(NUMBER), MINOR, "/a"),
    ("a narrower type", one(NUMBER), one(WHOLE), MAJOR, "/a"),
    ("one type more", one(TEXT), one({"type": ["string", "null"]}), MINOR, "/a"),
    ("one type fewer", one({"type": ["string", "null"]}), one(TEXT), MAJOR, "/a"),
    ("a type where there was none", one({}), one(TEXT), MAJOR, "/a"),
    ("no type any more", one(TEXT), one({}), MINOR, "/a"),
    ("one choice more", one({"enum": ["x", "y"]}), one({"enum": ["x", "y", "z"]}), MINOR, "/a"),
    ("one choice fewer", one({"enum": ["x", "y"]}), one({"enum": ["x"]}), MAJOR, "/a"),
    ("choices in another order", one({"enum": ["x", "y"]}), one({"enum": ["y", "x"]}), MINOR, "/a"),
    ("choices where any text was taken", one(TEXT), one({"enum": ["x"]}), MAJOR, "/a"),
    ("any text where there were choices", one({"enum": ["x"]}), one(TEXT), MINOR, "/a"),
    ("choices that the new bounds take", one({"enum": ["x", "yy"]}), one(text(maxLength=2)), MINOR, "/a"),
    ("choices that the new bounds do not take", one({"enum": ["x", "yyy"]}), one(text(maxLength=2)), MAJOR, "/a"),
    ("choices became a list of constants", one({"enum": ["x", "y"]}),
     one({"oneOf": [{"const": "x", "title": "X"}, {"const": "y"}]}), MINOR, "/a"),
    ("a list of constants lost one", one({"oneOf": [{"const": "x"}, {"const": "y"}]}), one({"oneOf": [{"const": "x"}]}),
     MAJOR, "/a"),
    ("a list of constants got one", one({"oneOf": [{"const": "x"}]}), one({"oneOf": [{"const": "x"}, {"const": "y"}]}),
     MINOR, "/a"),
    ("another constant", one({"const": 1}), one({"const": 2}), MAJOR, "/a"),
    ("true or false became true", one({"type": "boolean"}), one({"const": True}), MAJOR, "/a"),
    ("true or false became choices", one({"type": "boolean"}), one({"enum": [True, False, None]}), MINOR, "/a"),
    ("a lower minimum", one(whole(minimum=3)), one(whole(minimum=1)), MINOR, "/a"),
    ("a higher minimum", one(whole(minimum=1)), one(whole(minimum=3)), MAJOR, "/a"),
    ("a minimum where there was none", one(WHOLE), one(whole(minimum=1)), MAJOR, "/a"),
    ("no minimum any more", one(whole(minimum=1)), one(WHOLE), MINOR, "/a"),
    ("a higher maximum", one(whole(maximum=3)), one(whole(maximum=4)), MINOR, "/a"),
    ("a lower maximum", one(whole(maximum=4)), one(whole(maximum=3)), MAJOR, "/a"),
    ("whole numbers above 0 and from 1", one(whole(exclusiveMinimum=0)), one(whole(minimum=1)), MINOR, "/a"),
    ("numbers above 0 and from 1", one({**NUMBER, "exclusiveMinimum": 0}), one({**NUMBER, "minimum": 1}), MAJOR, "/a"),
    ("a bound that left itself out", one({**NUMBER, "maximum": 5}), one({**NUMBER, "exclusiveMaximum": 5}),
     MAJOR, "/a"),
    ("a bound that took itself in", one({**NUMBER, "exclusiveMaximum": 5}), one({**NUMBER, "maximum": 5}), MINOR, "/a"),
    ("multiples of fewer", one(whole(multipleOf=4)), one(whole(multipleOf=2)), MINOR, "/a"),
    ("multiples of more", one(whole(multipleOf=2)), one(whole(multipleOf=4)), MAJOR, "/a"),
    ("multiples of another", one(whole(multipleOf=2)), one(whole(multipleOf=3)), MAJOR, "/a"),
    ("multiples of one", one(WHOLE), one(whole(multipleOf=1)), MINOR, "/a"),
    ("a shorter text", one(text(maxLength=10)), one(text(maxLength=5)), MAJOR, "/a"),
    ("a longer text", one(text(maxLength=5)), one(text(maxLength=10)), MINOR, "/a"),
    ("a least length", one(TEXT), one(text(minLength=1)), MAJOR, "/a"),
    ("a least length of nothing", one(TEXT), one(text(minLength=0)), MINOR, "/a"),
    ("a pattern came", one(TEXT), one(text(pattern="^a")), MAJOR, "/a"),
    ("a pattern went", one(text(pattern="^a")), one(TEXT), MINOR, "/a"),
    ("another pattern", one(text(pattern="^a+$")), one(text(pattern="^a*$")), MAJOR, "/a"),
    ("a format came", one(TEXT), one(text(format="date")), MAJOR, "/a"),
    ("a format went", one(text(format="date")), one(TEXT), MINOR, "/a"),
    ("a format that is a remark came", one(TEXT), one(text(format="branch")), MINOR, "/a"),
    ("entries of a wider type", one(listed(WHOLE)), one(listed(NUMBER)), MINOR, "/a/*"),
    ("entries of a narrower type", one(listed(NUMBER)), one(listed(WHOLE)), MAJOR, "/a/*"),
    ("fewer entries", one(listed(TEXT, maxItems=5)), one(listed(TEXT, maxItems=3)), MAJOR, "/a"),
    ("more entries", one(listed(TEXT, maxItems=3)), one(listed(TEXT, maxItems=5)), MINOR, "/a"),
    ("at least one entry", one(listed(TEXT)), one(listed(TEXT, minItems=1)), MAJOR, "/a"),
    ("entries that differ", one(listed(TEXT)), one(listed(TEXT, uniqueItems=True)), MAJOR, "/a"),
    ("entries that may repeat", one(listed(TEXT, uniqueItems=True)), one(listed(TEXT)), MINOR, "/a"),
    ("an entry's input became required", one(listed(obj(x=TEXT))), one(listed(obj("x", x=TEXT))), MAJOR, "/a/*/x"),
    ("an entry got a required input with a default, which lists do not fill in",
     one(listed(obj(x=TEXT))), one(listed(obj("y", x=TEXT, y=text(default="z")))), MAJOR, "/a/*/y"),
    ("an entry got an optional input", one(listed(obj(x=TEXT))), one(listed(obj(x=TEXT, y=TEXT))), MINOR, "/a/*/y"),
    ("a nested input went", one(obj(x=TEXT, y=TEXT)), one(obj(x=TEXT)), MAJOR, "/a/y"),
    ("a nested input came", one(obj(x=TEXT)), one(obj(x=TEXT, y=TEXT)), MINOR, "/a/y"),
    ("a nested input was narrowed", one(obj(x=NUMBER)), one(obj(x=WHOLE)), MAJOR, "/a/x"),
    ("a definition was narrowed", {**one({"$ref": "#/$defs/n"}), "$defs": {"n": NUMBER}},
     {**one({"$ref": "#/$defs/n"}), "$defs": {"n": WHOLE}}, MAJOR, "/a"),
    ("a definition was written out", {**one({"$ref": "#/$defs/n"}), "$defs": {"n": NUMBER}}, one(NUMBER), MINOR, "/a"),
    ("allOf was written out", one({"allOf": [WHOLE, {"minimum": 1}]}), one(whole(minimum=0)), MINOR, "/a"),
    ("allOf got a bound", one(WHOLE), one({"allOf": [WHOLE, {"minimum": 1}]}), MAJOR, "/a"),
    ("anyOf got a branch", one({"anyOf": [TEXT, WHOLE]}), one({"anyOf": [TEXT, WHOLE, {"type": "null"}]}), MINOR, "/a"),
    ("anyOf lost a branch", one({"anyOf": [TEXT, WHOLE]}), one({"anyOf": [TEXT]}), MAJOR, "/a"),
    ("anyOf became types", one({"anyOf": [TEXT, WHOLE]}), one({"type": ["string", "number"]}), MINOR, "/a"),
    ("a tagged choice got a branch", one({"oneOf": [BLUE, RED]}), one({"oneOf": [BLUE, RED, GREEN]}), MINOR, "/a"),
    ("a tagged choice lost a branch", one({"oneOf": [BLUE, RED]}), one({"oneOf": [BLUE]}), MAJOR, "/a"),
    ("a choice got a branch that overlaps", one({"oneOf": [WHOLE, TEXT]}), one({"oneOf": [WHOLE, TEXT, NUMBER]}),
     MAJOR, "/a"),
    ("a condition stayed", {**obj(a=TEXT, b=TEXT), **WHEN}, {**obj(a=TEXT, b=text(title="B")), **WHEN}, PATCH, "/b"),
    ("a condition came", obj(a=TEXT, b=TEXT), {**obj(a=TEXT, b=TEXT), **WHEN}, MAJOR, ""),
    ("a condition went", {**obj(a=TEXT, b=TEXT), **WHEN}, obj(a=TEXT, b=TEXT), MINOR, ""),
    ("a default now fulfils a condition", {**obj(a=TEXT, b=TEXT), **WHEN}, {**obj(a=text(default="x"), b=TEXT), **WHEN},
     MAJOR, "/a"),
    ("a default beside a condition", {**obj(a=TEXT, b=TEXT, c=TEXT), **WHEN},
     {**obj(a=TEXT, b=TEXT, c=text(default="x")), **WHEN}, MINOR, "/c"),
    ("one needs the other now", obj(a=TEXT, b=TEXT), {**obj(a=TEXT, b=TEXT), "dependentRequired": {"a": ["b"]}},
     MAJOR, "/b"),
    ("one needs the other, which is required anyway", obj("b", a=TEXT, b=TEXT),
     {**obj("b", a=TEXT, b=TEXT), "dependentRequired": {"a": ["b"]}}, MINOR, ""),
    ("not came", one(TEXT), one({**TEXT, "not": {"const": "x"}}), MAJOR, "/a"),
    ("not went", one({**TEXT, "not": {"const": "x"}}), one(TEXT), MINOR, "/a"),
    ("a map of wider values", one({"type": "object", "additionalProperties": WHOLE}),
     one({"type": "object", "additionalProperties": NUMBER}), MINOR, "/a"),
    ("a map of narrower values", one({"type": "object", "additionalProperties": NUMBER}),
     one({"type": "object", "additionalProperties": WHOLE}), MAJOR, "/a/*"),
    ("a map got a name of its own that is wider", one({"type": "object", "additionalProperties": WHOLE}),
     one({"type": "object", "properties": {"x": NUMBER}, "additionalProperties": WHOLE}), MINOR, "/a/x"),
    ("a map got a name of its own that is narrower", one({"type": "object", "additionalProperties": NUMBER}),
     one({"type": "object", "properties": {"x": WHOLE}, "additionalProperties": NUMBER}), MAJOR, "/a/x"),
    ("fewer properties", one({"type": "object", "maxProperties": 5}), one({"type": "object", "maxProperties": 2}),
     MAJOR, "/a"),
    ("a secret is shown", one(text(writeOnly=True)), one(TEXT), MAJOR, "/a"),
    ("an input became a secret", one(TEXT), one(text(writeOnly=True)), MINOR, "/a"),
    ("nothing fits any more", one(TEXT), one(False), MAJOR, "/a"),
    ("a bound on what no value of the type has", one(TEXT), one(text(minimum=3)), MINOR, "/a"),
    ("a tuple's place was narrowed", one({"type": "array", "prefixItems": [NUMBER, TEXT]}),
     one({"type": "array", "prefixItems": [WHOLE, TEXT]}), MAJOR, "/a/0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "bump", "pointer"), [case[1:] for case in INPUTS], ids=[c[0] for c in INPUTS]
)
def test_inputs_get_the_expected_verdict(before: Any, after: Any, bump: Bump, pointer: str) -> None:
    changes = compare(Faces(before, {}), Faces(after, {}))
    assert max((each.bump for each in changes), default=NONE) == bump, changes
    if bump is not NONE:
        assert any(each.pointer == pointer and each.bump == bump for each in changes), changes
    assert all(each.message.endswith(".") and each.side == "inputs" for each in changes)


OUTPUTS: list[tuple[str, dict[str, Any], dict[str, Any], Bump, str]] = [
    ("nothing changed", obj("url", url=TEXT), obj("url", url=TEXT), NONE, ""),
    ("an output came", obj(url=TEXT), obj(url=TEXT, id=TEXT), MINOR, "/id"),
    ("an output that is always there came", obj(url=TEXT), obj("id", url=TEXT, id=TEXT), MINOR, "/id"),
    ("the first output came", {}, obj(url=TEXT), MINOR, "/url"),
    ("an output went", obj(url=TEXT, id=TEXT), obj(url=TEXT), MAJOR, "/id"),
    ("every output went", obj(url=TEXT), {}, MAJOR, "/url"),
    ("an output may be missing", obj("url", url=TEXT), obj(url=TEXT), MAJOR, "/url"),
    ("an output is always there", obj(url=TEXT), obj("url", url=TEXT), MINOR, ""),
    ("an output may be null", obj(url=TEXT), obj(url={"type": ["string", "null"]}), MAJOR, "/url"),
    ("an output is never null", obj(url={"type": ["string", "null"]}), obj(url=TEXT), MINOR, "/url"),
    ("an output may be any number", obj(size=WHOLE), obj(size=NUMBER), MAJOR, "/size"),
    ("an output is whole", obj(size=NUMBER), obj(size=WHOLE), MINOR, "/size"),
    ("an output has one value more", obj(state={"enum": ["a"]}), obj(state={"enum": ["a", "b"]}), MAJOR, "/state"),
    ("an output has one value fewer", obj(state={"enum": ["a", "b"]}), obj(state={"enum": ["a"]}), MINOR, "/state"),
    ("an output lost its pattern", obj(url=text(pattern="^h")), obj(url=TEXT), MAJOR, "/url"),
    ("another description", obj(url=TEXT), obj(url=text(description="Where.")), PATCH, "/url"),
    ("a nested output went", obj(net=obj(a=TEXT, b=TEXT)), obj(net=obj(a=TEXT)), MAJOR, "/net/b"),
]


@pytest.mark.parametrize(
    ("before", "after", "bump", "pointer"), [case[1:] for case in OUTPUTS], ids=[c[0] for c in OUTPUTS]
)
def test_outputs_get_the_expected_verdict(before: Any, after: Any, bump: Bump, pointer: str) -> None:
    changes = compare(Faces({}, before), Faces({}, after))
    assert max((each.bump for each in changes), default=NONE) == bump, changes
    if bump is not NONE:
        assert any(each.pointer == pointer and each.bump == bump for each in changes), changes


def test_what_cannot_change_later_keeps_its_default_and_stays_changeable_where_it_was() -> None:
    schema, other = one(text(default="x")), one(text(default="y"))
    fixed = frozenset({"/a"})
    (change,) = compare(Faces(schema, {}, fixed), Faces(other, {}, fixed))
    assert (change.what, change.bump) == ("default", MAJOR)
    assert "could never be upgraded" in change.message
    assert [each.bump for each in compare(Faces(schema, {}), Faces(schema, {}, fixed))] == [MAJOR]
    assert [each.bump for each in compare(Faces(schema, {}, fixed), Faces(schema, {}))] == [MINOR]


def test_a_secret_default_is_not_repeated() -> None:
    before, after = one(text(default="hunter2", writeOnly=True)), one(text(default="hunter3", writeOnly=True))
    assert "hunter" not in str(compare(Faces(before, {}), Faces(after, {})))


def test_schemas_beyond_measure_ask_for_a_major_version() -> None:
    def deep(bound: int) -> dict[str, Any]:
        branches = [{"type": "object", "properties": {f"p{n}": whole(maximum=bound + n)}} for n in range(40)]
        return one({"anyOf": [{"allOf": [each, {"anyOf": branches}]} for each in branches]})

    changes = compare(Faces(deep(2), {}), Faces(deep(1), {}))
    assert max(each.bump for each in changes) is MAJOR
    assert any(not each.proven for each in changes)


@pytest.mark.parametrize(
    ("before", "after", "needed", "refused", "honest"),
    [
        ("1.4.0", "1.4.1", MAJOR, True, "2.0.0"),
        ("1.4.0", "1.5.0", MAJOR, True, "2.0.0"),
        ("1.4.0", "2.0.0", MAJOR, False, "2.0.0"),
        ("1.4.0", "2.0.0-rc.1", MAJOR, False, "2.0.0"),
        ("1.4.0", "1.5.0-rc.1", MAJOR, True, "2.0.0"),
        ("1.4.0", "1.4.1", MINOR, False, "1.5.0"),
        ("1.4.0", "1.4.1", PATCH, False, "1.4.1"),
        ("1.4.0", "1.4.1", NONE, False, "1.4.1"),
        ("0.2.0", "0.2.1", MAJOR, True, "0.3.0"),
        ("0.2.0", "0.3.0", MAJOR, False, "0.3.0"),
        ("0.2.0", "1.0.0", MAJOR, False, "0.3.0"),
        ("0.2.0", "0.2.1", MINOR, False, "0.2.1"),
    ],
)
def test_a_number_promises_what_semver_says(
    before: str,
    after: str,
    needed: Bump,
    refused: bool,  # noqa: FBT001  # a column of the table
    honest: str,
) -> None:
    schemas = {
        MAJOR: (obj(a=TEXT), obj()),
        MINOR: (obj(), obj(a=TEXT)),
        PATCH: (one(TEXT), one(text(title="A"))),
        NONE: (one(TEXT), one(TEXT)),
    }
    old, new = schemas[needed]
    verdict = Verdict(parse_version(before), parse_version(after), compare(Faces(old, {}), Faces(new, {})))
    assert (verdict.needed, verdict.is_refused, str(verdict.honest)) == (needed, refused, honest)
    assert verdict.is_modest == (needed is MINOR and before == "1.4.0")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1.5.0", "1.4.0"),
        ("1.2.9", "1.2.0"),
        ("2.1.0", "2.0.0"),
        ("2.0.0-rc.2", "1.4.0"),
        ("1.4.0", "1.2.0"),
        ("1.0.0", None),
        ("3.1.0", "2.0.0"),
    ],
)
def test_the_predecessor_is_the_highest_lower_final_version_that_is_offered(number: str, expected: str | None) -> None:
    published = [
        (parse_version(version), state)
        for version, state in {
            "1.2.0": VersionState.DEPRECATED,
            "1.3.0": VersionState.REVOKED,
            "1.4.0": VersionState.PUBLISHED,
            "2.0.0-rc.1": VersionState.PUBLISHED,
            "2.0.0": VersionState.PUBLISHED,
            "3.0.0": VersionState.YANKED,
        }.items()
    ]
    found = predecessor(parse_version(number), published)
    assert (found and str(found)) == expected
