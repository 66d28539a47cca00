"""The curated bundles on real WebAssembly: an attestation that is taken away never helps, and silence never does."""

import io
import json
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.gating import Level
from catalog.policies import rules
from catalog.policies.engine import CompiledBundle, Decided, Moment, Question, WasmEngine
from catalog.policies.models import Mode
from catalog.policies.rules import Found, Subject

BUNDLES = Path(__file__).parents[3] / "blueprints" / "policies"
NAMES = sorted(path.parent.name for path in BUNDLES.glob("*/asset.yaml"))
DIGEST = "sha256:" + "9f" * 32
MOMENT = datetime(2026, 11, 25, tzinfo=UTC)
SUBJECT = Subject("releases/web@1.0.0")
BUILT = {
    "buildDefinition": {
        "buildType": "https://example.com/build/v1",
        "externalParameters": {"workflow": {"ref": "refs/tags/v1", "path": "build.yml"}},
        "resolvedDependencies": [{"uri": "git+https://git.example.com/acme/web", "digest": {"gitCommit": "a" * 40}}],
    },
    "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}},
}
predicates = st.sampled_from(
    [
        ("https://slsa.dev/provenance/v1", BUILT),
        ("https://slsa.dev/provenance/v1", {}),
        ("https://cyclonedx.org/bom", {"components": []}),
        ("https://in-toto.io/attestation/vulns/v0.1", {"scanner": {"result": []}}),
        ("https://in-toto.io/attestation/vulns/v0.1", {"scanner": {"result": [{"severity": [{"score": "9.8"}]}]}}),
        ("https://in-toto.io/attestation/test-result/v0.1", {"result": "PASSED"}),
        ("https://in-toto.io/attestation/test-result/v0.1", {"result": "FAILED"}),
    ]
)
attestations = st.builds(
    lambda said, verified, digest: {
        "predicate_type": said[0],
        "predicate": said[1],
        "verified": verified,
        "signer": "builder",
        "subjects": [{"name": "web", "digest": digest}],
    },
    predicates,
    st.booleans(),
    st.sampled_from([DIGEST, "sha256:" + "00" * 32]),
)


def document(attested: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "release": {
            "service": "web",
            "version": "1.0.0",
            "owner": "Storefront",
            "author": "ann",
            "approvals": [{"by": "ben"}],
            "source": {"repository": "https://git.example.com/acme/web", "revision": "a" * 40},
            "artifacts": [{"name": "web", "type": "oci-image", "digest": DIGEST}],
        },
        "plan": {"resources": []},
        "sbom": {"packages": [{"name": "x", "version": "1", "purl": "pkg:pypi/x@1", "licenses": ["MIT"]}]},
        "attestations": attested,
    }


@pytest.fixture(scope="module")
def compiled(opa: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledBundle]:
    """Every curated bundle, compiled."""
    made = {}
    for name in NAMES:
        manifest = yaml.safe_load((BUNDLES / name / "asset.yaml").read_text())
        entrypoints = tuple(manifest["spec"]["entrypoints"])
        target = tmp_path_factory.mktemp(name) / "bundle.tar.gz"
        command = [str(opa), "build", "-t", "wasm", "-b", str(BUNDLES / name / "content"), "-o", str(target)]
        done = subprocess.run(
            [*command, *(part for each in entrypoints for part in ("-e", each))], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        with tarfile.open(fileobj=io.BytesIO(target.read_bytes())) as archive:
            wasm, data = archive.extractfile("/policy.wasm"), archive.extractfile("/data.json")
            assert wasm is not None
            assert data is not None
            made[name] = CompiledBundle(name, wasm.read(), entrypoints, data=json.loads(data.read()))
    return made


def decide(engine: WasmEngine, bundle: CompiledBundle, asked: Any) -> rules.Decision:
    found = []
    for entrypoint in bundle.entrypoints:
        outcome = engine.evaluate(Question(bundle, entrypoint, asked, Moment(1_764_000_000_000_000_000)))
        assert isinstance(outcome, Decided), outcome
        answers = rules.answers(outcome.value, entrypoint, bundle.digest, Level.MANDATORY)
        found += [Found(each, Level.MANDATORY, Mode.ENFORCED) for each in answers]
    return rules.decide(found, [], SUBJECT, MOMENT)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attested=st.lists(attestations, max_size=6), dropped=st.sets(st.integers(0, 5)))
def test_an_attestation_that_is_left_out_never_helps(
    compiled: dict[str, CompiledBundle],
    wasm_engine: WasmEngine,
    name: str,
    attested: list[dict[str, Any]],
    dropped: set[int],
) -> None:
    less = [each for index, each in enumerate(attested) if index not in dropped]
    whole = decide(wasm_engine, compiled[name], document(attested))
    part = decide(wasm_engine, compiled[name], document(less))
    assert whole.allowed or not part.allowed
    assert {each.rule for each in whole.violations} <= {each.rule for each in part.violations}


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_never_allowed(compiled: dict[str, CompiledBundle], wasm_engine: WasmEngine, name: str) -> None:
    assert not decide(wasm_engine, compiled[name], {}).allowed
