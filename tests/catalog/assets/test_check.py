"""The check of a whole package: manifests, blueprints and the other kinds, with the line of every mistake."""

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from catalog.assets.archive import PackageFile
from catalog.assets.blueprint_spec import parse_spec
from catalog.assets.check import asset_schema, check_files
from catalog.assets.durations import format_duration, parse_duration, words_of
from catalog.assets.findings import Finding
from catalog.assets.kinds import kinds
from catalog.assets.located import load_yaml
from catalog.providers.targets import providers
from catalog.providers.targets.offers import Needs, lacking

BLUEPRINT = "deployment-blueprint"


def files_of(kind: str = BLUEPRINT) -> dict[str, bytes]:
    return dict(kinds()[kind].skeleton("acme", "my-preview"))


def findings(files: dict[str, bytes]) -> list[Finding]:
    checked, _ = check_files({path: PackageFile(data) for path, data in files.items()})
    return list(checked.findings)


def changed(*changes: tuple[str, str], kind: str = BLUEPRINT, path: str = "asset.yaml") -> list[Finding]:
    """Replace texts in a file of a skeleton and return what the check finds."""
    files = files_of(kind)
    text = files[path].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return findings({**files, path: text.encode()})


def line_of(text: str, kind: str = BLUEPRINT) -> int:
    manifest = files_of(kind)["asset.yaml"].decode().splitlines()
    return next(number for number, line in enumerate(manifest, 1) if text in line)


@pytest.mark.parametrize("kind", sorted(kinds()))
@pytest.mark.parametrize("name", ["my-preview", "3d", "x" * 63])
def test_every_skeleton_checks_without_a_finding(kind: str, name: str) -> None:
    assert findings(dict(kinds()[kind].skeleton("acme", name))) == []


def test_there_are_the_four_kinds() -> None:
    assert sorted(kinds()) == ["component-package", BLUEPRINT, "pipeline-template", "policy-bundle"]


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_the_served_schema_accepts_what_the_check_accepts(kind: str) -> None:
    schema = asset_schema()
    Draft202012Validator.check_schema(schema)
    manifest = load_yaml(files_of(kind)["asset.yaml"], "asset.yaml").value
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(manifest)) == []
    assert list(validator.iter_errors({**manifest, "sumary": "x"})) != []
    assert list(validator.iter_errors({**manifest, "spec": {"targest": []}})) != []


@pytest.mark.parametrize(
    ("change", "rule", "at", "says"),
    [
        (("  summary:", "  sumary:"), "unknown-field", "summary:", 'Did you mean "summary"?'),
        (("        procfile: web", "        procfle: web"), "unknown-field", "procfile:", 'Did you mean "procfile"?'),
        (("version: 0.1.0", 'version: "1.2"'), "field-value", "version:", "Write 1.2.0."),
        (("version: 0.1.0", "version: 1.2"), "field-type", "version:", "Write it in quotes."),
        (("version: 0.1.0", "version: 1.0.0+b"), "field-value", "version:", "Drop it: 1.0.0."),
        (("license: Apache-2.0", "license: Apache 2"), "field-value", "license:", "SPDX"),
        (("namespace: acme", "namespace: Acme_Corp"), "field-value", "namespace:", "inner dashes"),
        (("name: my-preview", "name: my-preview-"), "field-value", " name:", "metadata.name"),
        (("[microservice, ui]", "[microservice, website]"), "field-value", "archetypes:", "microservice"),
        (("kind: deployment-blueprint", "kind: deployment-blueprnt"), "unknown-kind", "kind:", "deployment-blueprint"),
        (("apiVersion: slipway/v1", "apiVersion: slipway/v2"), "field-value", "apiVersion:", "slipway/v1"),
        (("spec:\n", "spec:\n  targets: [moon]\n"), "field-value", "environment:", "local"),
        (("type: process", "type: container"), "field-value", "type: process", "process"),
        (("timeout: PT60S", "timeout: 60s"), "field-value", "timeout:", "Write one such as P3D"),
        (("timeout: PT60S", "timeout: PT1H"), "health-timeout", "timeout:", "ten minutes"),
        (("default: P3D", "default: P30D"), "ttl", "ttl:", "maximum"),
        (("default: P3D", "default: P1M"), "field-value", "ttl:", "no years or months"),
        (("${inputs.greeting}", "${inputs.greting}"), "wiring", "GREETING:", 'Did you mean "greeting"?'),
        (("${inputs.greeting}", "${input.greeting}"), "wiring", "GREETING:", 'Did you mean "inputs"?'),
        (("${inputs.greeting}", "${web.port}"), "wiring", "GREETING:", "PORT and HOST already"),
        (("${inputs.greeting}", "${inputs.greeting"), "field-value", "GREETING:", "is not a reference"),
        (("${inputs.greeting}", "${environment.colour}"), "wiring", "GREETING:", "name, url"),
        (("revision: ${source.revision}", "revision: ${source.revison}"), "wiring", "revision: $", '"revision"'),
        (("url: ${web.url}", "url: ${web.ulr}"), "wiring", "url:", 'Did you mean "url"?'),
        (("url: ${web.url}", "url: https://example.com"), "output-url", "url:", "${web.url}"),
        (("url: ${web.url}", "address: ${web.url}"), "output-url", "outputs:", "url: ${web.url}"),
        (("GREETING: $", "PORT: $"), "reserved-variable", "GREETING:", "process host"),
        (("        procfile: web\n", ""), "process-command", "web:", "procfile: web"),
        (("procfile: web", "command: run ${inputs.greeting}"), "command-reference", "procfile:", "env"),
        (("path: ${inputs.health_path}", "path: health"), "health-path", "path:", "/health"),
    ],
)
def test_a_mistake_in_a_blueprint_is_found_at_its_line(change: tuple[str, str], rule: str, at: str, says: str) -> None:
    found = [finding for finding in changed(change) if finding.rule == rule]
    assert found, [str(finding) for finding in changed(change)]
    assert found[0].path == "asset.yaml"
    manifest = files_of()["asset.yaml"].decode()
    section = "outputs:\n" if at == "outputs:" else at
    expected = {number for number, line in enumerate(manifest.splitlines(), 1) if section.strip() in line}
    assert found[0].line in expected
    assert says in str(found[0])


def test_all_mistakes_are_reported_at_once() -> None:
    rules = {
        finding.rule
        for finding in changed(
            ("  summary:", "  sumary:"),
            ("version: 0.1.0", "version: v1"),
            ("type: process", "type: process\n        typo: 1"),
        )
    }
    assert {"unknown-field", "missing-field", "field-value"} <= rules


def test_a_missing_field_is_named() -> None:
    missing = [finding for finding in changed(("  license: Apache-2.0\n", "")) if finding.rule == "missing-field"]
    assert [finding.message for finding in missing] == ["metadata.license is missing."]


def test_one_blueprint_with_a_database_that_begins_with_something_goes_to_each_target() -> None:
    second = "      db: {type: postgres, seed: {data: synthetic, sql: db/seed.sql}}\n      web:\n        type: process"
    targets = f"spec:\n  targets: [{', '.join(providers())}]\n"
    assert changed(("spec:\n", targets), ("      web:\n        type: process", second)) == []
    needs = Needs({"db": "postgres"}, seeded=("db",))
    assert {name for name, each in providers().items() if lacking(each, needs)} == set()
    assert lacking(replace(providers()["azure"], seeds=False), needs) == (
        "db: the target azure cannot fill a database (seed). Choose another target, or take it out of the blueprint."
    )


def test_a_target_without_a_server_is_named() -> None:
    bare = replace(providers()["docker"], backing=frozenset({"postgres"}))
    said = "cache: the target docker offers no Redis. Choose another target, or take it out of the blueprint."
    assert lacking(bare, Needs({"db": "postgres", "cache": "redis"})) == said
    assert lacking(bare, Needs({"db": "postgres"}, seeded=("db",))) == ""


def test_components_cannot_wait_for_each_other() -> None:
    second = (
        "type: process\n        command: sleep 1\n        env: {A: '${web.port}'}\n      web:\n        type: process"
    )
    manifest = files_of()["asset.yaml"].decode()
    manifest = manifest.replace("      web:\n        type: process", f"      api:\n        {second}")
    manifest = manifest.replace("GREETING: ${inputs.greeting}", "GREETING: ${api.port}")
    found = findings({**files_of(), "asset.yaml": manifest.encode()})
    assert [finding.rule for finding in found] == ["component-cycle"]


def test_an_input_that_may_be_absent_cannot_be_wired() -> None:
    schema = json.loads(files_of()["inputs.schema.json"])
    del schema["properties"]["greeting"]["default"]
    found = findings({**files_of(), "inputs.schema.json": json.dumps(schema).encode()})
    assert [finding.rule for finding in found] == ["wiring"]
    assert "may have no value" in found[0].message


def test_a_secret_goes_to_the_process_and_nowhere_else() -> None:
    schema = json.loads(files_of()["inputs.schema.json"])
    schema["properties"]["greeting"]["writeOnly"] = True
    files = {**files_of(), "inputs.schema.json": json.dumps(schema).encode()}
    assert findings(files) == []
    files["asset.yaml"] = files["asset.yaml"].replace(b"revision: ${source.revision}", b"revision: ${inputs.greeting}")
    found = [finding for finding in findings(files) if finding.rule == "wiring"]
    assert "secret" in found[0].message


def test_examples_must_fit_the_schema() -> None:
    files = {**files_of(), "examples/bad/inputs.json": b'{"greeting": 1, "x": 2}'}
    assert [(f.rule, f.path) for f in findings(files)] == [("example", "examples/bad/inputs.json")] * 2
    files["examples/bad/inputs.json"] = b"{"
    assert [f.rule for f in findings(files)] == ["json"]


def test_files_and_manifest_must_agree() -> None:
    files = files_of()
    assert [f.rule for f in findings({p: d for p, d in files.items() if p != "inputs.ui.json"})] == ["file-missing"]
    unnamed = files["asset.yaml"].replace(b", ui: inputs.ui.json", b"")
    assert [f.rule for f in findings({**files, "asset.yaml": unnamed})] == ["file-unused"]
    wrong = files["asset.yaml"].replace(b"ui: inputs.ui.json}", b"ui: inputs.ui.json, immutable: [/region]}")
    assert [f.rule for f in findings({**files, "asset.yaml": wrong})] == ["immutable"]


def test_what_every_package_needs() -> None:
    assert {f.rule for f in findings({})} == {"manifest-missing"}
    files = files_of()
    del files["README.md"], files["CHANGELOG.md"]
    assert [(f.rule, f.level) for f in findings(files)] == [
        ("readme-missing", "error"),
        ("changelog-missing", "warning"),
    ]


@pytest.mark.parametrize("manifest", [b"[]", b"text", b"1", b"kind: [a]", b"spec: 1\nkind: deployment-blueprint"])
def test_a_manifest_of_another_shape_is_findings_and_no_crash(manifest: bytes) -> None:
    assert any(finding.level == "error" for finding in findings({**files_of(), "asset.yaml": manifest}))


@pytest.mark.parametrize(
    ("kind", "path", "old", "new", "rule"),
    [
        ("pipeline-template", "asset.yaml", "from: content/github", "from: content/gitlab", "target-empty"),
        ("pipeline-template", "asset.yaml", "to: .github/workflows", "to: ../outside", "path-parent"),
        ("pipeline-template", "content/github/test.yml.j2", "python_version ]]", "python ]]", "template-input"),
        ("pipeline-template", "content/github/test.yml.j2", "[[ inputs.", "[[ settings.", "template-name"),
        ("pipeline-template", "content/github/test.yml.j2", "name: test", "[% if %]", "template"),
        ("policy-bundle", "content/.manifest", '"roots": ["my_preview"]', '"roots": ["other"]', "rego-root"),
        ("policy-bundle", "content/.manifest", '"0.1.0"', '"0.2.0"', "bundle-manifest"),
        ("policy-bundle", "asset.yaml", "my_preview/deny", "other/deny", "entrypoint"),
        ("policy-bundle", "content/my_preview/owner.rego", "package my_preview", "deny := 1", "rego-package"),
        ("component-package", "asset.yaml", "version: 0.1.0", "version: 0.2.0", "wheel-version"),
        ("component-package", "asset.yaml", "dist/*.whl", "dist/none*.whl", "wheel-number"),
    ],
)
def test_the_other_kinds_check_what_can_be_checked_without_running(
    kind: str, path: str, old: str, new: str, rule: str
) -> None:
    assert rule in [finding.rule for finding in changed((old, new), kind=kind, path=path)]


def test_pipelines_have_a_limit_of_text() -> None:
    files = {**files_of("pipeline-template"), "content/github/large.yml": b"# filling\n" * 60_000}
    assert [finding.rule for finding in findings(files)] == ["text-size"]


def test_the_rules_of_controls_must_exist() -> None:
    controls = "level: advisory\n  controls: [{id: CC8.1, rules: [release-owner, release-notes]}]"
    found = changed(("level: advisory", controls), kind="policy-bundle")
    assert [finding.message for finding in found] == ["No rule of the bundle reports release-notes."]


def test_a_wheel_is_not_looked_into_here() -> None:
    """Only a sandboxed worker opens a stranger's wheel."""
    files = files_of("component-package")
    wheel = next(path for path in files if path.endswith(".whl"))
    assert findings({**files, wheel: b"not a zip"}) == []
    assert kinds()["component-package"].sandboxed_steps


def test_the_spec_of_a_checked_blueprint_is_typed_data() -> None:
    manifest: Any = load_yaml(files_of()["asset.yaml"], "asset.yaml").value
    spec = parse_spec(manifest)
    web = spec.environment.processes["web"]
    assert (web.procfile, web.env) == ("web", {"GREETING": "${inputs.greeting}"})
    assert web.health is not None
    assert web.health.path == "${inputs.health_path}"
    assert format_duration(spec.default_ttl) == "P3D"
    assert spec.maximum_ttl == parse_duration("P2W")


@pytest.mark.parametrize(
    ("text", "words"),
    [("P3D", "3 days"), ("PT1H", "1 hour"), ("P1DT12H", "1 day and 12 hours"), ("PT0S", "no time")],
)
def test_durations_read_as_people_say_them(text: str, words: str) -> None:
    assert words_of(parse_duration(text)) == words
