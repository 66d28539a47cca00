"""What a release of a curated pipeline can show, held against the curated policy bundles and against the README."""

import base64
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from tests.blueprints import golden
from tests.blueprints.shared_files import BLUEPRINTS
from tests.blueprints.test_pipelines import ARCHETYPES, COMMIT, given, signed_on_azure
from tests.blueprints.test_policies import BUNDLES, denials

DIGEST = f"sha256:{'1' * 64}"
GITHUB = {
    "buildDefinition": {
        "buildType": "https://actions.github.io/buildtypes/workflow/v1",
        "externalParameters": {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/it"}},
        "internalParameters": {"github": {"event_name": "push", "runner_environment": "github-hosted"}},
        "resolvedDependencies": [{"uri": "git+https://github.com/acme/it", "digest": {"gitCommit": COMMIT}}],
    },
    "runDetails": {
        "builder": {"id": "https://github.com/acme/it/.github/workflows/slipway-deliver.yml@refs/heads/main"}
    },
}
"""The provenance that GitHub's own action signs, as far as policies read it."""
CHECKS = {
    "microservice": ["tests"],
    "gateway": ["configuration", "routes"],
    "ui": ["lint", "tests", "script-budget"],
    "library": ["tests"],
    "worker": ["tests", "graceful-stop"],
}


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_the_readme_says_which_rules_a_release_does_not_meet_by_itself(archetype: str, tmp_path: Path) -> None:
    documents = [on_github(archetype), on_azure(archetype, tmp_path)]
    unmet: dict[str, set[str]] = {}
    for bundle, refused in denials(documents).items():
        for violation in (each for refusals in refused for each in refusals if each["level"] == "mandatory"):
            unmet.setdefault(violation["rule"], set()).add(_name(bundle))
    readme = (BLUEPRINTS / "pipelines" / archetype / "README.md").read_text()
    section = readme.partition("## What the evidence is")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \|", section, re.MULTILINE)
    assert {rule: {*re.findall(r"`(slipway/[a-z0-9-]+)`", bundles)} for rule, bundles in rows} == unmet


def test_with_a_scan_an_approval_and_a_plan_it_passes_every_bundle_on_github() -> None:
    document = on_github("microservice")
    document["release"]["approvals"] = [{"by": "grace"}]
    document["plan"] = {"resources": []}
    document["attestations"].append(_attested("https://in-toto.io/attestation/vulns/v0.2", {"scanner": {"result": []}}))
    for bundle, (refused,) in denials([document]).items():
        assert [each["rule"] for each in refused if each["level"] == "mandatory"] == [], bundle


@pytest.mark.parametrize("archetype", ARCHETYPES)
def test_the_test_result_names_what_was_checked(archetype: str, tmp_path: Path) -> None:
    for document in (on_github(archetype), on_azure(archetype, tmp_path)):
        (result,) = (each for each in document["attestations"] if "test-result" in each["predicate_type"])
        assert result["predicate"]["result"] == "PASSED"
        assert result["predicate"]["passedTests"] == CHECKS[archetype]


def on_github(archetype: str) -> dict[str, Any]:
    """Return what policies see of a release that the template's workflows record."""
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    passed = yaml.safe_load(rendered[f".github/workflows/{archetype}.yml"])["jobs"]["deliver"]["with"]
    (job,) = yaml.safe_load(rendered[".github/workflows/slipway-deliver.yml"])["jobs"].values()
    said = next(step["run"] for step in job["steps"] if step.get("name") == "Say what was checked")
    attestations = []
    for step in job["steps"]:
        if not step.get("uses", "").startswith("actions/attest@"):
            continue
        if "sbom-path" in step["with"]:
            attestations.append(_attested("https://cyclonedx.org/bom", {"bomFormat": "CycloneDX"}))
        elif "predicate-type" in step["with"]:
            attestations.append(_attested(step["with"]["predicate-type"], _predicate(said, passed["checks"])))
        else:
            attestations.append(_attested("https://slsa.dev/provenance/v1", GITHUB))
    return _document(attestations)


def on_azure(archetype: str, folder: Path) -> dict[str, Any]:
    """Return what policies see of a release that the template's Azure pipeline records."""
    rendered = golden.render(BLUEPRINTS / "pipelines" / archetype, given(archetype))
    stages = yaml.safe_load(rendered["azure-pipelines.yml"])["stages"]
    (deliver,) = (stage for stage in stages if stage["stage"] == "deliver")
    checks = deliver["jobs"][0]["steps"][-1]["parameters"]["checks"]
    attestations = []
    for data in signed_on_azure(folder, ec.generate_private_key(ec.SECP256R1()), checks):
        statement = json.loads(base64.b64decode(json.loads(data)["payload"]))
        attestations.append(_attested(statement["predicateType"], statement["predicate"]))
    return _document(attestations)


def _document(attestations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document: ``slipway release create`` gives no environment, so that there is no plan."""
    return {
        "release": {
            "service": "it",
            "version": "7.1",
            "owner": "team-payments",
            "author": "ci",
            "source": {"repository": "https://github.com/acme/it", "revision": COMMIT},
            "artifacts": [{"name": "it", "digest": DIGEST}],
        },
        "attestations": attestations,
        "sbom": {"packages": [{"name": "flask", "purl": "pkg:pypi/flask@3.1.2", "vulnerabilities": []}]},
    }


def _attested(kind: str, predicate: Any) -> dict[str, Any]:
    subjects = [{"name": "it", "digest": DIGEST}]
    return {"predicate_type": kind, "verified": True, "signer": "ci", "subjects": subjects, "predicate": predicate}


@cache
def _predicate(script: str, checks: str) -> Any:
    """Return what the step of the workflow writes, by running it."""
    program = script.partition("<<'END'\n")[2].rpartition("END")[0]
    known = {"REPOSITORY": "https://github.com/acme/it", "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "7"}
    environment = {"PATH": os.defpath, **known, "GITHUB_SHA": COMMIT, "CHECKS": checks}
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=program, env=environment, text=True, capture_output=True, check=True
    )
    return json.loads(done.stdout)


@cache
def _name(bundle: str) -> str:
    (folder,) = (each for each in BUNDLES if each.name == bundle)
    metadata = yaml.safe_load((folder / "asset.yaml").read_text())["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}"
