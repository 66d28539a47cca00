"""The curated pipeline templates: golden renders, the providers' schemas, rights of jobs, commands that there are."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
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
from catalog.tenancy import ALL_SCOPES
from portal.cli.commands import COMMANDS
from tests.blueprints import golden
from tests.blueprints.shared_files import BLUEPRINTS, SHARED

ARCHETYPES = ("microservice", "gateway", "ui", "library", "worker")
LANGUAGES = ("python", "node", "go", "java", "dotnet")
SPELLED = {"python": "Python", "node": "Node", "go": "Go", "java": "Java", "dotnet": ".NET"}
TESTED = ".github/workflows/slipway-test.yml"
COMMIT = "0" * 40
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


RIGHTS: Mapping[str, Mapping[str, str]] = {
    "push": {"packages": "write"},
    "deliver": {"attestations": "write", "contents": "read", "id-token": "write"},
    "preview": {},
    "publish": {"contents": "read", "id-token": "write"},
}
"""What jobs may do beside reading the repository. None of them builds or tests."""
BUILDS = ("actions/checkout", "docker/build-push-action", "npx", "docker build", "npm ", "pip install .")


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_workflows_have_no_more_rights_than_they_need(archetype: str) -> None:
    asset = BLUEPRINTS / "pipelines" / archetype
    more = {"publish_command": "twine upload dist/*"} if archetype == "library" else {}
    rendered = golden.render(asset, {**given(archetype), **more})
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
            if "permissions" in job:
                assert job["permissions"] == RIGHTS[name], (path, name)
                _runs_nothing_of_the_repository(job)
            for step in job.get("steps", ()):
                if "actions/checkout" in step.get("uses", ""):
                    assert step["with"]["persist-credentials"] is False
                # What others can set reaches a shell through the environment alone.
                assert not re.search(r"\$\{\{(?! inputs\.build )", step.get("run", "")), (path, name, step)
    main = yaml.safe_load(workflows[f".github/workflows/{archetype}.yml"])
    assert main["concurrency"]["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert all("pull_request" in main["jobs"][name]["if"] for name in main["jobs"] if name in {"push", "deliver"})


def _runs_nothing_of_the_repository(job: Mapping[str, Any]) -> None:
    for step in job.get("steps", ()):
        assert not any(each in f"{step.get('uses', '')} {step.get('run', '')}" for each in BUILDS), step


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_on_azure_nothing_is_built_beside_secrets_and_forks_get_none(archetype: str) -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, {**given(archetype), **PREVIEWED.get(archetype, {})})
    delivery = rendered["slipway/deliver.yml"].decode()
    assert "cdxgen" not in delivery
    for stage in yaml.safe_load(rendered["azure-pipelines.yml"])["stages"]:
        text = yaml.safe_dump(stage)
        if "variables" not in stage:
            assert "SLIPWAY_TOKEN" not in text
            continue
        assert not any(each in text for each in ("docker build", "slipway/test.yml", "slipway/bill.yml", "npm ci")), (
            text
        )
        fork = "ne(variables['System.PullRequest.IsFork'], 'True')"
        no_pull_request = "ne(variables['Build.Reason'], 'PullRequest')"
        tag = "startsWith(variables['Build.SourceBranch'], 'refs/tags/')"
        assert any(each in stage["condition"] for each in (fork, no_pull_request, tag)), stage["stage"]
        assert (stage["stage"] == "preview") == (fork in stage["condition"])


PREVIEWED: Mapping[str, Mapping[str, Any]] = {
    archetype: {"preview_blueprint": "slipway/preview-web"} for archetype in ("microservice", "gateway", "ui", "worker")
}


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_what_installs_the_command_is_given_and_is_no_name(archetype: str) -> None:
    """On the public index the name belongs to another project, whose code would run beside tokens."""
    asset = BLUEPRINTS / "pipelines" / archetype
    schema = json.loads((asset / "inputs.schema.json").read_text())
    wheel = schema["properties"]["slipway_requirement"]
    assert "default" not in wheel
    assert "slipway_requirement" in schema["required"]
    assert all(re.search(wheel["pattern"], each) for each in wheel["examples"])
    for name in ("slipway", "slipway==0.14.0", "slipway>=0", "http://example.com/slipway-1-py3-none-any.whl"):
        assert not re.search(wheel["pattern"], name)
    for path, data in golden.render(asset, given(archetype)).items():
        assert not re.search(r"default: slipway$", data.decode(), re.MULTILINE), path


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_the_scopes_that_it_asks_for_are_those_that_there_are(archetype: str) -> None:
    asset = BLUEPRINTS / "pipelines" / archetype
    texts = [
        (asset / "README.md").read_text(),
        *(data.decode() for data in golden.render(asset, given(archetype)).values()),
    ]
    named = {scope for text in texts for scope in re.findall(r"\b[a-z]+:(?:read|write|admin)\b", text)}
    named -= {"contents:read"}
    assert {"attestations:write", "releases:write", "policies:read"} <= named <= ALL_SCOPES


@pytest.mark.parametrize(("archetype", "language"), [*product(("microservice", "worker"), LANGUAGES)])
def test_the_version_of_a_language_is_the_one_that_the_readme_and_the_form_say(archetype: str, language: str) -> None:
    asset = BLUEPRINTS / "pipelines" / archetype
    rendered = golden.render(asset, {**given(archetype), "language": language, "language_version": ""})
    version = yaml.safe_load(rendered[f".github/workflows/{archetype}.yml"])["jobs"]["test"]["with"]["version"]
    stages = yaml.safe_load(rendered["azure-pipelines.yml"])["stages"]
    assert stages[0]["jobs"][0]["steps"][0]["parameters"]["version"] == version
    said = f"{SPELLED[language]} {version.removesuffix('.0.x')}"
    assert said in (asset / "README.md").read_text()
    assert (
        said in json.loads((asset / "inputs.schema.json").read_text())["properties"]["language_version"]["description"]
    )


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_nothing_is_rolled_out_unless_somebody_says_where(archetype: str) -> None:
    """Rollouts are not there yet, so a pipeline as it comes must not ask for one."""
    main = yaml.safe_load(
        golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))[f".github/workflows/{archetype}.yml"]
    )
    assert main["jobs"]["deliver"]["with"].get("environment", "") == ""


@pytest.mark.parametrize("minutes", [0, 60])
def test_a_release_waits_for_an_approval_where_that_is_asked(minutes: int) -> None:
    rendered = golden.render(
        BLUEPRINTS / "pipelines" / "microservice", {**given("microservice"), "approval_minutes": minutes}
    )
    deliver = yaml.safe_load(rendered[".github/workflows/microservice.yml"])["jobs"]["deliver"]["with"]
    (stage,) = (
        each for each in yaml.safe_load(rendered["azure-pipelines.yml"])["stages"] if each["stage"] == "deliver"
    )
    (job,) = stage["jobs"]
    assert (deliver.get("approval", False), deliver.get("timeout-minutes", 30)) == (minutes > 0, 30 + minutes)
    assert job["timeoutInMinutes"] == 20 + minutes
    assert job["steps"][-1]["parameters"].get("approval", False) is (minutes > 0)


def test_a_worker_that_has_ended_is_not_taken_for_one_that_stops() -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / "worker", given("worker"))
    for path in (".github/workflows/worker.yml", "azure-pipelines.yml"):
        text = rendered[path].decode()
        assert 0 < text.index(".State.Running") < text.index("docker stop")


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_both_providers_make_evidence_hold_it_against_policies_and_deliver(archetype: str) -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    for path in (".github/workflows/slipway-deliver.yml", "slipway/deliver.yml"):
        text = rendered[path].decode()
        steps = (
            "slipway attest",
            "slipway approvals ask",
            "slipway release create",
            "slipway policy evaluate --release",
        )
        places = [text.index(step) for step in steps]
        assert places == sorted(places)
    for path in (f".github/workflows/{archetype}.yml", "azure-pipelines.yml"):
        assert ('strategy: "slipway/' in rendered[path].decode()) == (archetype != "library")
    built = "".join(rendered.get(path, b"").decode() for path in (f".github/workflows/{archetype}.yml", TESTED))
    assert ("--type docker" in built) == (archetype not in {"ui", "library"})
    assert "cdxgen" in built
    assert "cdxgen" in rendered["slipway/bill.yml"].decode()


def test_a_preview_is_asked_for_where_there_is_a_blueprint_for_it() -> None:
    asset = BLUEPRINTS / "pipelines" / "microservice"
    for blueprint in ("", "slipway/preview-web"):
        rendered = golden.render(asset, {**given("microservice"), "preview_blueprint": blueprint})
        workflow = yaml.safe_load(rendered[".github/workflows/microservice.yml"])
        stages = [each["stage"] for each in yaml.safe_load(rendered["azure-pipelines.yml"])["stages"]]
        assert ("preview" in workflow["jobs"]) == ("preview" in stages) == bool(blueprint)


def test_no_preview_is_tried_where_a_pull_request_gets_no_secrets() -> None:
    rendered = golden.render(BLUEPRINTS / "pipelines" / "microservice", given("microservice"))
    asked = yaml.safe_load(rendered[".github/workflows/slipway-preview.yml"])["jobs"]["preview"]["if"]
    assert "head.repo.full_name == github.repository" in asked
    assert "github.actor != 'dependabot[bot]'" in asked


def test_a_command_with_marks_of_yaml_stays_a_command() -> None:
    command = "python -m pytest -k 'not slow' # all: \"but\" these"
    asset = BLUEPRINTS / "pipelines" / "microservice"
    rendered = golden.render(asset, {**given("microservice"), "test_command": command})
    steps = yaml.safe_load(rendered[".github/workflows/slipway-test.yml"])["jobs"]["test"]["steps"]
    assert f"{command}\n" in [step.get("run") for step in steps]
    assert f"{command}\n" in [step.get("script") for step in yaml.safe_load(rendered["slipway/test.yml"])["steps"]]


def test_what_a_pipeline_signs_on_azure_verifies(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    types = set()
    for data in signed_on_azure(tmp_path, key, "tests"):
        envelope = read_signed(data).envelope
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


def signed_on_azure(folder: Path, key: ec.EllipticCurvePrivateKey, checks: str) -> list[bytes]:
    """Return what the script of the templates signs about a wheel in ``folder``, as it would in a pipeline."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "dist").mkdir()
    (folder / "dist" / "it.whl").write_bytes(b"a wheel")
    (folder / "sbom.json").write_text('{"bomFormat": "CycloneDX"}')
    variables = {
        "BUILD_REPOSITORY_URI": "https://git.example.com/acme/it",
        "BUILD_SOURCEBRANCH": "refs/heads/main",
        "BUILD_SOURCEVERSION": COMMIT,
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
    command = [sys.executable, "-I", str(script), "--sbom", "sbom.json", "--checks", checks, "--folder", "dist", "out"]
    subprocess.run(command, cwd=folder, env=variables, check=True)
    return [path.read_bytes() for path in sorted((folder / "out").iterdir())]


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
    calls = re.findall(r"(?:^|run:|\buntil) *slipway ((?:[^\n\\]|\\\n)+)", text, flags=re.MULTILINE)
    assert {"attest", "approvals", "release", "policy"} <= {call.split()[0] for call in calls}
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
