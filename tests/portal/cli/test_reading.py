"""The pure parts of the command line: typed inputs, durations, streams of events, text for terminals."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.assets.durations import parse_duration
from portal.cli.client import Client
from portal.cli.errors import ProblemError
from portal.cli.inputs import Duration, preset_of_upgrade, read_inputs, typed_inputs
from portal.cli.sse import parse_events
from portal.cli.text import plain

VERSION = {"namespace": "acme", "name": "web", "kind": "component-package"}
WEB = {"asset": "acme/web", "becomes": "environment", "target": {"repository": "/srv/shop", "pull_request": 3}}


def test_a_setting_is_a_text_unless_it_is_json() -> None:
    typed = ["a=1", "b:=1", "c=", "d=x=y", 'e:={"k": [true]}', "url=http://x:=1"]
    expected = {"a": "1", "b": 1, "c": "", "d": "x=y", "e": {"k": [True]}, "url": "http://x:=1"}
    assert read_inputs(typed, None) == expected


@pytest.mark.parametrize("setting", ["a", "=1", ":=1", "a:=nonsense"])
def test_a_setting_that_cannot_be_read_is_wrong_use(setting: str) -> None:
    with pytest.raises(click.BadParameter):
        read_inputs([setting], None)


def test_settings_go_before_the_file(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: 1\nb: {c: [x, 2026-01-01]}\n")
    assert read_inputs(["a=2"], str(values)) == {"a": "2", "b": {"c": ["x", "2026-01-01"]}}


@pytest.mark.parametrize("content", ["- a\n", "a: [", "\x00", "!!python/object/apply:os.getcwd []"])
def test_a_file_without_inputs_is_wrong_use(tmp_path: Path, content: str) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(content)
    with pytest.raises(click.BadParameter):
        read_inputs([], str(values))


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_short_durations_mean_what_they_say(days: int, hours: int, minutes: int) -> None:
    text = f"{days}d{hours}h{minutes}m"
    found = parse_duration(Duration().convert(text, None, None))
    assert found.total_seconds() == days * 86400 + hours * 3600 + minutes * 60


@pytest.mark.parametrize("text", ["", "h", "3", "3w", "-1h", "1h1d"])
def test_what_is_no_duration_is_wrong_use(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


_DATA = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(_DATA, _DATA)), st.data(), st.sampled_from(["\n", "\r\n"]))
def test_events_do_not_depend_on_where_the_stream_is_cut(
    sent: list[tuple[str, str]], data: st.DataObject, end: str
) -> None:
    stream = "".join(f"id: {name}{end}event: step{end}: ping{end}data: {text}{end}{end}" for name, text in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [(each.id, each.data, each.type) for each in parse_events(chunks)] == [(*each, "step") for each in sent]


def test_an_event_that_broke_off_is_left_out_and_an_id_stays() -> None:
    events = list(parse_events(["id: 1\ndata: a\ndata: b\n\ndata: c\n\ndata: d\n"]))
    assert [(each.id, each.data, each.type) for each in events] == [("1", "a\nb", "message"), ("1", "c", "message")]


@given(st.text())
def test_nothing_of_what_others_wrote_steers_the_terminal(text: str) -> None:
    shown = plain(f"\x1b[31m{text}\x1b]0;title\x07\x9b1m")
    assert all(each in "\t\n" or each.isprintable() or ord(each) > 0x9F for each in shown)


def test_ordinary_text_stays_as_it_is() -> None:
    text = 'Grüße,\n\t"Slipway" [bold] ✓'
    assert plain(text) == text
    assert plain(json.dumps(None)) == "null"


class Answers(Client):
    """Stands for the server: answers with one schema, or refuses, and remembers what it was asked."""

    def __init__(
        self, schema: dict[str, Any] | None, more: Mapping[str, Any] | None = None, components: Iterable[str] = ()
    ) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._schema = schema
        self._more = more or {}
        self.items_there: list[dict[str, Any]] = []
        resources = {f"pkg:index:{name}": {"isComponent": True} for name in components}
        self._package = {"name": "pkg", "resources": resources}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self.asked.append((path, params))
        if self._schema is None:
            raise ProblemError(403, {"title": "Not allowed"})
        if path.endswith("/artifacts/pulumi-schema.json"):
            return self._package
        return {"input_schema": self._schema, "items": self.items_there, **VERSION, **self._more}


def test_texts_become_what_the_schema_of_the_asset_wants() -> None:
    client = Answers({"properties": {"replicas": {"type": "integer"}, "name": {"type": "string"}}})
    typed = ["replicas=3", "name=3", "extra:=[1]"]
    assert typed_inputs(client, "acme/web==1.2.0", typed, None) == {"replicas": 3, "name": "3", "extra": [1]}
    assert client.asked == [("/overlays/acme/web/inputs", {"version": "1.2.0"})]
    assert typed_inputs(client, "acme/web>=1,<2", typed, None)["replicas"] == 3
    assert client.asked[1:] == [("/overlays/acme/web/inputs", {})]


@pytest.mark.parametrize(
    "asset", ["acme/web@^1", "acme/web>=1,<2", "acme/web@1.2.x", "acme/web@1", "acme/web_2", "Web"]
)
def test_a_preset_is_that_of_one_version(asset: str) -> None:
    nobody = Answers({})
    with pytest.raises(click.BadParameter, match=r"one version's|names no asset"):
        typed_inputs(nobody, asset, [], None, "mild")
    assert nobody.asked == []


@pytest.mark.parametrize(
    ("asset", "version"), [("acme/web", "latest"), ("acme/web@1.2.0", "1.2.0"), ("acme/web==2.0.0-rc.1", "2.0.0-rc.1")]
)
def test_a_preset_comes_from_the_version_that_is_asked_for(asset: str, version: str) -> None:
    client = Answers({})
    client.items_there = [{"name": "mild", "inputs": {"greeting": "Come in"}}]
    assert typed_inputs(client, asset, [], None, "mild") == {"greeting": "Come in"}
    assert client.asked == [(f"/assets/acme/web/versions/{version}/examples", None)]


def test_a_preset_of_an_upgrade_leaves_what_cannot_change() -> None:
    schema = {"properties": {"greeting": {"type": "string"}, "token": {"type": "string", "writeOnly": True}}}
    found = {"version": "1.2.0", "manifest": {"inputs": {"immutable": ["/region"]}}, "input_schema": schema}
    client = Answers({}, found)
    client.items_there = [{"name": "mild", "inputs": {"greeting": "Come in", "region": "eu", "token": "changeme"}}]
    for wanted, asked in ((None, "latest"), ("1.2.0", "1.2.0"), ("==1.2.0", "1.2.0")):
        client.asked.clear()
        preset = preset_of_upgrade(client, WEB, wanted, "mild")
        assert preset == ("1.2.0", {"greeting": "Come in"})
        assert [path for path, _ in client.asked] == [
            f"/assets/acme/web/versions/{asked}",
            "/assets/acme/web/versions/1.2.0/examples",
        ]
    with pytest.raises(click.BadParameter, match="has no preset 'none'; it has mild"):
        preset_of_upgrade(client, WEB, None, "none")
    with pytest.raises(click.BadParameter, match="one version's"):
        preset_of_upgrade(client, WEB, ">=1", "mild")


def test_a_preset_gives_one_component_what_is_its_own() -> None:
    size, token = {"type": "integer"}, {"type": "string", "writeOnly": True}
    parts: dict[str, Any] = {name: {"type": "object", "properties": {"size": size}} for name in ("Cache", "Web")}
    parts["Web"]["properties"] = {"size": size, "token": token}
    found = {"version": "1.2.0", "manifest": {}}
    client = Answers({}, {**found, "input_schema": {"properties": parts}}, ("Cache", "Web"))
    client.items_there = [{"name": "big", "inputs": {"Cache": {"size": 8}, "Web": {"size": 4, "token": "changeme"}}}]
    stack: dict[str, Any] = {"asset": "acme/parts", "becomes": "stack", "target": {"stack": "shop", "component": "Web"}}
    assert preset_of_upgrade(client, stack, None, "big") == ("1.2.0", {"Web": {"size": 4}})
    begun = typed_inputs(client, "acme/parts", [], None, "big", target=stack["target"])
    assert begun == {"Web": {"size": 4, "token": "changeme"}}
    # The only component of a package takes the inputs as they are, whether or not it is named.
    # One of these inputs is called as the component is, and is a group as well.
    alone = {"properties": {"size": size, "Cache": parts["Cache"]}}
    client = Answers({}, {**found, "input_schema": alone}, ("Cache",))
    inputs = {"size": 8, "Cache": {"size": 2}}
    client.items_there = [{"name": "big", "inputs": inputs}]
    for only in ({"stack": "shop"}, {"stack": "shop", "component": "Cache"}):
        assert preset_of_upgrade(client, {**stack, "target": only}, None, "big") == ("1.2.0", inputs)
        assert typed_inputs(client, "acme/parts", [], None, "big", target=only) == inputs
    with pytest.raises(click.UsageError, match="a pin takes no inputs"):
        preset_of_upgrade(client, {**stack, "becomes": "pin", "target": {}}, None, "big")


def test_without_the_schema_texts_stay_texts() -> None:
    assert typed_inputs(Answers(None), "acme/web", ["replicas=3"], None) == {"replicas": "3"}
    nobody = Answers({})
    assert typed_inputs(nobody, "acme/web", ["replicas:=3"], None) == {"replicas": 3}
    assert typed_inputs(nobody, "Not a name", ["replicas=3"], None) == {"replicas": "3"}
    assert nobody.asked == []
