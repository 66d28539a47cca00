"""The curated policy bundles: strict Rego, tests of every line, controls that are named alike, evidence asked for."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.blueprints import opa
from tests.blueprints.shared_files import BLUEPRINTS

BUNDLES = sorted(manifest.parent for manifest in (BLUEPRINTS / "policies").glob("*/asset.yaml"))
REGIMES = {"soc2", "pci_dss_4", "iso_27001", "hipaa", "nist_ssdf", "slsa"}
each_bundle = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)


def test_there_is_a_bundle_for_every_regime() -> None:
    assert {bundle.name for bundle in BUNDLES} == REGIMES | {"baseline"}
    assert {_spec(bundle).get("regime", "").replace("-", "_") for bundle in BUNDLES} == REGIMES | {""}


@each_bundle
def test_it_is_strict_and_its_tests_pass_and_reach_every_line(bundle: Path) -> None:
    opa.run("check", "--strict", bundle / "content", bundle / "tests")
    report = opa.run("test", "--coverage", bundle / "content", bundle / "tests")
    missed = {path: found["not_covered"] for path, found in report["files"].items() if found.get("not_covered")}
    assert missed == {}
    assert len(report["files"]) == len([*bundle.rglob("*.rego")])


@each_bundle
def test_each_rule_names_the_controls_that_the_manifest_gives_it(bundle: Path) -> None:
    rules = bundle / "content" / bundle.name / "rules.rego"
    annotations = opa.run("inspect", "--annotations", "--format", "json", rules)["annotations"]
    said: dict[str, set[str]] = {}
    text = rules.read_text().splitlines()
    for each in annotations:
        # The rule's name is the first that stands in quotes after the annotation.
        name = next(line.split('"')[3] for line in text[each["location"]["row"] :] if '"rule": ' in line)
        assert each["annotations"]["title"]
        said[name] = set(each["annotations"]["custom"]["controls"])
    given_to: dict[str, set[str]] = {}
    for control in _spec(bundle)["controls"]:
        for rule in control["rules"]:
            given_to.setdefault(rule, set()).add(control["id"])
    assert said == given_to
    readme = (bundle / "README.md").read_text()
    assert all(f"| `{rule}` |" in readme for rule in said)


def test_no_two_bundles_share_a_root() -> None:
    roots = [json.loads((bundle / "content" / ".manifest").read_text())["roots"] for bundle in BUNDLES]
    assert len(set(chain.from_iterable(roots))) == len([*chain.from_iterable(roots)])


def test_it_lets_a_sound_release_pass_and_nothing_else() -> None:
    sound = _sound()
    answers = denials([sound, {}, {"release": {}, "attestations": [], "sbom": {}, "plan": {}}])
    for name, (of_sound, *of_nothing) in answers.items():
        assert of_sound == [], name
        assert all(any(each["level"] == "mandatory" for each in denied) for denied in of_nothing), name


_JUNK: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 9, "", "x", "HIGH", [], {}, [{}], {"x": []}])


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_taking_evidence_away_never_helps(data: st.DataObject) -> None:
    """Documents are drawn in bulk, because starting ``opa`` costs more than evaluating a hundred of them."""
    pairs = [_draw_pair(data) for _ in range(20)]
    answers = denials([document for pair in pairs for document in pair])
    for name, refused in answers.items():
        rules = [{each["rule"] for each in denied} for denied in refused]
        for more, fewer in zip(rules[::2], rules[1::2], strict=True):
            assert more <= fewer, name


def _draw_pair(data: st.DataObject) -> tuple[Any, Any]:
    """Return a document with something odd in it, and the same without some of its attestations."""
    document = json.loads(json.dumps(_sound()))
    for _ in range(data.draw(st.integers(0, 2))):
        node, key = data.draw(st.sampled_from([*_places(document)]))
        node[key] = data.draw(_JUNK)
    attestations = document["attestations"]
    kept = [each for each in attestations if data.draw(st.booleans())] if isinstance(attestations, list) else []
    return document, {**document, "attestations": kept}


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place below ``node`` that holds a value, as its container and its key."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def _spec(bundle: Path) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((bundle / "asset.yaml").read_text())["spec"]
    return spec


@cache
def _sound() -> dict[str, Any]:
    shared = BLUEPRINTS / "shared" / "rego"
    answer = opa.run("eval", "--format", "raw", "-d", shared / "sound_test.rego", "data.evidence_test.sound")
    document: dict[str, Any] = answer
    return document


def denials(documents: list[Any]) -> dict[str, list[list[dict[str, Any]]]]:
    """Return what each bundle denies in each of the documents, asked in one go."""
    bundles = chain.from_iterable(("-d", str(bundle / "content")) for bundle in BUNDLES)
    asked = ", ".join(
        f'"{bundle.name}": [denied | some each in input; denied := data.{bundle.name}.deny with input as each]'
        for bundle in BUNDLES
    )
    answer = opa.run(
        "eval", "--format", "raw", *bundles, "--stdin-input", f"{{{asked}}}", document=json.dumps(documents)
    )
    denials: dict[str, list[list[dict[str, Any]]]] = answer
    return denials
