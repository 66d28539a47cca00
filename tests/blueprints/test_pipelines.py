"""The curated pipeline templates: golden renders, the providers' schemas, pinned actions, evidence that verifies."""

import hashlib
import json
import re
import subprocess
import sys
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from catalog.assets.inputs import complete_inputs
from catalog.attestations.dsse import read_signed
from catalog.attestations.signatures import is_valid, key_id
from catalog.attestations.statements import read_statement
from portal.cli.commands import COMMANDS
from tests.blueprints import golden
from tests.blueprints.shared_files import BLUEPRINTS, SHARED

ARCHETYPES = ("microservice", "gateway", "ui", "library", "worker")
LANGUAGES = ("python", "node", "go", "java", "dotnet")
EXAMPLES = [*golden.examples()]
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parents[1].name}-{path.name}")


def test_there_is_a_template_for_every_archetype() -> None:
    assert {path.name for path in (BLUEPRINTS / "pipelines").iterdir()} == set(ARCHETYPES)
    assert {example.parents[1].name for example in EXAMPLES} == set(ARCHETYPES)


@each_example
def test_it_renders_to_what_is_expected(example: Path) -> None:
    expected = example / "expected"
    found = {str(path.relative_to(expected)): path.read_bytes() for path in expected.rglob("*") if path.is_file()}
    assert golden.rendered(example) == found, "Look at the difference after: make golden"


@each_example
def test_it_is_what_the_providers_schemas_say(example: Path) -> None:
    for path, data in golden.rendered(example).items():
        if path.endswith(".yml"):
            _check_schema(path, data)


@pytest.mark.parametrize(("archetype", "language"), [*product(("microservice", "library", "worker"), LANGUAGES)])
def test_every_language_renders_and_fits_the_schemas(archetype: str, language: str) -> None:
    asset = BLUEPRINTS / "pipelines" / archetype
    rendered = golden.render(asset, {**given(archetype), "language": language})
    tests = rendered[".github/workflows/slipway-test.yml"].decode()
    assert f"name: {language} " in tests
    assert "[[" not in tests
    for path in (".github/workflows/slipway-test.yml", "slipway/test.yml", "azure-pipelines.yml"):
        _check_schema(path, rendered[path])


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_workflows_have_no_more_rights_than_they_need(archetype: str) -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    workflows = {path: data.decode() for path, data in rendered.items() if path.startswith(".github/")}
    assert workflows
    for path, text in workflows.items():
        workflow = yaml.safe_load(text)
        assert workflow["permissions"] == {"contents": "read"}, path
        assert "pull_request_target" not in text
        for used in re.findall(r"uses: (.*)", text):
            assert re.fullmatch(
                r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/slipway-\w+\.yml", used
            )
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job or "uses" in job, (path, name)
            for step in job.get("steps", ()):
                if "actions/checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False
                # What others can set reaches a shell through the environment alone.
                assert not re.search(r"\$\{\{(?! inputs\.build )", step.get("run", "")), (path, name, step)
    main = yaml.safe_load(workflows[f".github/workflows/{archetype}.yml"])
    assert main["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_both_providers_make_evidence_hold_it_against_policies_and_deliver(archetype: str) -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    for path in (".github/workflows/slipway-deliver.yml", "slipway/deliver.yml"):
        text = rendered[path].decode()
        steps = ("cdxgen", "slipway attest", "slipway release create", "slipway policy evaluate --release")
        places = [text.index(step) for step in steps]
        assert places == sorted(places)
    for path in (f".github/workflows/{archetype}.yml", "azure-pipelines.yml"):
        assert ('strategy: "slipway/' in rendered[path].decode()) == (archetype != "library")


def test_a_preview_is_asked_for_where_there_is_a_blueprint_for_it() -> None:
    asset = BLUEPRINTS / "pipelines" / "microservice"
    for blueprint in ("", "slipway/preview-web"):
        rendered = golden.render(asset, {**given("microservice"), "preview_blueprint": blueprint})
        workflow = yaml.safe_load(rendered[".github/workflows/microservice.yml"])
        stages = [each["stage"] for each in yaml.safe_load(rendered["azure-pipelines.yml"])["stages"]]
        assert ("preview" in workflow["jobs"]) == ("preview" in stages) == bool(blueprint)


def test_a_command_with_marks_of_yaml_stays_a_command() -> None:
    command = "python -m pytest -k 'not slow' # all: \"but\" these"
    asset = BLUEPRINTS / "pipelines" / "microservice"
    rendered = golden.render(asset, {**given("microservice"), "test_command": command})
    steps = yaml.safe_load(rendered[".github/workflows/slipway-test.yml"])["jobs"]["test"]["steps"]
    assert f"{command}\n" in [step.get("run") for step in steps]
    assert f"{command}\n" in [step.get("script") for step in yaml.safe_load(rendered["slipway/test.yml"])["steps"]]


def test_what_a_pipeline_signs_on_azure_verifies(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "it.whl").write_bytes(b"a wheel")
    (tmp_path / "sbom.json").write_text('{"bomFormat": "CycloneDX"}')
    variables = {
        "BUILD_REPOSITORY_URI": "https://git.example.com/acme/it",
        "BUILD_SOURCEBRANCH": "refs/heads/main",
        "BUILD_SOURCEVERSION": "0" * 40,
        "BUILD_DEFINITIONNAME": "it",
        "BUILD_REASON": "IndividualCI",
        "BUILD_BUILDID": "7",
        "SYSTEM_COLLECTIONURI": "https://devops.example.com/acme/",
        "SYSTEM_TEAMPROJECT": "it",
        "SYSTEM_DEFINITIONID": "3",
        "ATTESTATION_KEY": pem.decode(),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    script = SHARED / "pipelines" / "azure" / "slipway" / "attest.py"
    command = [sys.executable, "-I", str(script), "--sbom", "sbom.json", "--folder", "dist", "out"]
    subprocess.run(command, cwd=tmp_path, env=variables, check=True)
    types = set()
    for path in (tmp_path / "out").iterdir():
        envelope = read_signed(path.read_bytes()).envelope
        statement = read_statement(envelope)
        assert is_valid(key.public_key(), envelope.signature, envelope.signed)
        assert envelope.keyid == key_id(key.public_key())
        assert [each.digest for each in statement.subjects] == [hashlib.sha256(b"a wheel").hexdigest()]
        types.add(statement.predicate_type)
    assert types == {
        "https://slsa.dev/provenance/v1",
        "https://cyclonedx.org/bom",
        "https://in-toto.io/attestation/test-result/v0.1",
    }


def given(archetype: str) -> dict[str, Any]:
    """Return what the first example of an archetype is given, completed."""
    asset = BLUEPRINTS / "pipelines" / archetype
    example = next(each for each in EXAMPLES if each.parents[1] == asset)
    schema = json.loads((asset / "inputs.schema.json").read_text())
    return complete_inputs(schema, json.loads((example / "inputs.json").read_text()))


@cache
def _validator(name: str) -> Any:
    text = files("check_jsonschema").joinpath("builtin_schemas", "vendor", f"{name}.json").read_text("utf-8")
    schema = json.loads(text)
    return jsonschema.validators.validator_for(schema)(schema)


def _check_schema(path: str, data: bytes) -> None:
    """Hold a rendered file against its provider's own schema.

    GitHub reads YAML 1.2, where ``on`` is a text; Azure reads every scalar as a text.
    """
    if path.startswith(".github/"):
        document = yaml.safe_load(data)
        document["on"] = document.pop(True)
        problems = _validator("github-workflows").iter_errors(document)
    else:
        problems = _validator("azure-pipelines").iter_errors(yaml.load(data, Loader=yaml.BaseLoader))  # noqa: S506  # it makes nothing but texts
    best = jsonschema.exceptions.best_match(problems)
    assert best is None, f"{path} {best.json_path}: {best.message}"


COMING = {"rollout start"}
"""Commands of the published contract that Slipway does not have yet; the day they come they are held to this test."""


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_the_commands_of_slipway_are_those_that_it_has(archetype: str) -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    text = "\n".join(data.decode() for path, data in rendered.items() if path.endswith(".yml"))
    calls = re.findall(r"(?:^|run:) *slipway ((?:[^\n\\]|\\\n)+)", text, flags=re.MULTILINE)
    assert len(calls) > 4
    for call in calls:
        words = call.replace("\\\n", " ").split()
        command, names = _command(words)
        if command is None:
            assert " ".join(words[:2]) in COMING
            continue
        known = {option for each in command.params for option in each.opts}
        asked = {word for word in words if word.startswith("--")}
        assert asked <= known, names


def _command(words: list[str]) -> tuple[click.Command | None, str]:
    """Return the command that words of a shell begin with, and its name; None where there is none."""
    found: click.Command | None = COMMANDS
    names = []
    for word in words:
        if not isinstance(found, click.Group):
            break
        found = found.get_command(click.Context(found), word)
        names.append(word)
    return found, " ".join(names)
