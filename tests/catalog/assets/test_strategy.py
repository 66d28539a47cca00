"""Strategies of blueprints: the rules that each mistake breaks, with its place."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from catalog.assets.archive import PackageFile
from catalog.assets.check import check_files
from catalog.assets.findings import Finding

METRIC = {
    "name": "error-rate",
    "provider": "prometheus",
    "kind": "rate",
    "numerator": 'sum(errors{proxy="${rollout.candidate}"})',
    "denominator": "sum(requests)",
    "successCondition": "result < 0.01",
    "failureCondition": "result >= ${inputs.limit} or result == 1",
    "minRequests": 50,
}
CANARY: Mapping[str, Any] = {
    "type": "canary",
    "steps": [{"setWeight": 5}, {"analyse": "PT5M"}, {"setWeight": 50}, {"pause": {}}],
    "analysis": {"metrics": [METRIC]},
}
BLUE_GREEN = {"type": "blue-green", "blueGreen": {"beforePromotion": "PT5M"}, "analysis": {"metrics": [METRIC]}}
SCHEMA = """{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
"properties": {
    "limit": {"type": "number", "default": 0.05},
    "key": {"type": "string", "default": "", "writeOnly": true}
}}"""


def check(spec: Mapping[str, Any]) -> list[Finding]:
    manifest = {
        "apiVersion": "slipway/v1",
        "kind": "deployment-blueprint",
        "metadata": {
            "namespace": "acme",
            "name": "careful",
            "version": "1.0.0",
            "displayName": "Careful",
            "summary": "A strategy",
            "license": "Apache-2.0",
        },
        "inputs": {"schema": "inputs.schema.json"},
        "spec": {"targets": ["local"], **spec},
    }
    files = {
        "asset.yaml": yaml.safe_dump(manifest, sort_keys=False),
        "README.md": "# Careful\n",
        "CHANGELOG.md": "# Changelog\n",
        "inputs.schema.json": SCHEMA,
    }
    checked, _ = check_files({path: PackageFile(text.encode()) for path, text in files.items()})
    return list(checked.findings)


def test_sound_strategies_have_no_finding() -> None:
    rolling = {"type": "rolling", "rolling": {"maxSurge": "1%"}}
    by_hand = {"type": "blue-green", "blueGreen": {"promotion": "manual"}}
    for strategy in (CANARY, BLUE_GREEN, rolling, by_hand):
        assert check({"strategy": strategy}) == []


def test_a_blueprint_says_something() -> None:
    assert [each.rule for each in check({})] == ["blueprint-empty"]
    assert [each.rule for each in check({"strategy": CANARY, "ttl": {"default": "P1D"}})] == ["ttl"]


WRONG: list[tuple[str, Mapping[str, Any]]] = [
    ("belongs to the type", {**CANARY, "rolling": {}}),
    ("belongs to the type", {**BLUE_GREEN, "steps": CANARY["steps"]}),
    ("needs steps", {"type": "canary"}),
    ("needs blueGreen", {"type": "blue-green"}),
    ("Nothing can change", {"type": "rolling", "rolling": {"maxSurge": "0%", "maxUnavailable": "0%"}}),
    ("one of setWeight", {**CANARY, "steps": [{"setWeight": 5, "pause": {}}, {"pause": {}}]}),
    ("one of setWeight", {**CANARY, "steps": [{"setWeight": 5}, {}, {"pause": {}}]}),
    ("grow", {**CANARY, "steps": [{"setWeight": 50}, {"pause": {}}, {"setWeight": 50}]}),
    ("first step", {**CANARY, "steps": [{"pause": {}}, {"setWeight": 50}]}),
    ("nobody and nothing looks", {**CANARY, "steps": [{"setWeight": 5}, {"setWeight": 50}]}),
    ("no analysis", {"type": "canary", "steps": CANARY["steps"]}),
    ("no analysis", {"type": "blue-green", "blueGreen": {"afterPromotion": "PT5M"}}),
    ("without anybody", {"type": "blue-green", "blueGreen": {"promotion": "automatic"}}),
    ("while it bakes", {"type": "rolling", "rolling": {"maxSurge": "1%"}, "bake": "PT5M"}),
    ("Without any time", {**CANARY, "progressDeadline": "PT0S"}),
    ("without metrics", {**CANARY, "analysis": {"metrics": []}}),
    ("dry run", {**CANARY, "analysis": {"metrics": [{**METRIC, "dryRun": True}]}}),
    ("two metrics", {**CANARY, "analysis": {"metrics": [METRIC, METRIC]}}),
]


@pytest.mark.parametrize(("why", "strategy"), WRONG, ids=[why for why, _ in WRONG])
def test_what_makes_no_sense_is_a_finding(why: str, strategy: Mapping[str, Any]) -> None:
    (finding,) = check({"strategy": strategy})
    assert finding.rule == "strategy"
    assert why in finding.message
    assert finding.line is not None


METRICS: list[tuple[str, Mapping[str, Any]]] = [
    ("every answer is a success", {"successCondition": None, "failureCondition": None}),
    ("no other query", {"denominator": None}),
    ("no other query", {"query": "up"}),
    ("neither failures nor successes", {"failureLimit": -1}),
    ("need an interval", {"count": 5}),
    ("never reached", {"count": 2, "interval": "PT30S", "failureLimit": 2, "consecutiveSuccessLimit": 1}),
    ("never reached", {"count": 2, "interval": "PT30S", "inconclusiveLimit": 3}),
    ("next to nothing", {"minRequests": 0}),
    ("fewer than four scrapes", {"window": "PT30S"}),
    ("before the rollout", {"window": "PT5M"}),
    ("shorter than a second", {"interval": "PT0S"}),
    ("compared with the baseline", {"kind": "distribution", "query": "x", "baseline": "y", "minSamples": 5}),
    ("told from chance", {"kind": "distribution", "query": "x", "baseline": "y", "minSamples": 4}),
]


@pytest.mark.parametrize(("why", "change"), METRICS, ids=[why for why, _ in METRICS])
def test_a_metric_that_cannot_decide_is_a_finding(why: str, change: Mapping[str, Any]) -> None:
    metric = {key: value for key, value in {**METRIC, **change}.items() if value is not None}
    if metric["kind"] == "distribution":
        dropped = {"numerator", "denominator"} | (
            set() if "baseline" in why else {"successCondition", "failureCondition"}
        )
        metric = {key: value for key, value in metric.items() if key not in dropped}
    (finding,) = check({"strategy": {**CANARY, "analysis": {"metrics": [metric]}}})
    assert "error-rate" in finding.message
    assert why in finding.message


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"successCondition": "result is fine"}, "field-value"),
        ({"failureCondition": "result > ${rollout.stable}"}, "field-value"),
        ({"numerator": "${rollout.nobody}"}, "wiring"),
        ({"numerator": "${web.url}"}, "wiring"),
        ({"numerator": "${inputs.missing}"}, "wiring"),
        ({"numerator": "${inputs.key}"}, "wiring"),
        ({"failureCondition": "result > ${inputs.missing}"}, "wiring"),
        ({"interval": "30s"}, "field-value"),
        ({"provider": "graphite"}, "field-value"),
        ({"failureLimit": -2}, "field-value"),
    ],
)
def test_a_metric_of_another_shape_is_a_finding(change: Mapping[str, Any], rule: str) -> None:
    findings = check({"strategy": {**CANARY, "analysis": {"metrics": [{**METRIC, **change}]}}})
    assert [each.rule for each in findings] == [rule]
