"""Policy bundles as they are published: compiled in the sandbox, with every finding in its place."""

import json
from collections.abc import Callable, Mapping

import pytest

from catalog.assets.archive import PackageFile
from catalog.assets.check import check_files
from catalog.assets.kinds.policy_bundle import KIND
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.policies.engine import Decided, Question, WasmEngine, read_bundle
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings, load_settings
from catalog.tenancy import Principal
from catalog.uploads.models import UploadRead, UploadState
from workers.policy_compiler import Compiled, PolicySources
from workers.policy_compiler.compiling import compile_sources
from workers.policy_compiler.here import run_here
from workers.toolchain import OPA, ensure

Upload = Callable[[Mapping[str, bytes]], UploadRead]
Compile = Callable[[Mapping[str, bytes]], Compiled]

RULES = b"""package my_rules

# METADATA
# title: Every release has an owner
# custom:
#   controls: [CC1.1]
deny contains violation if {
	not input.release.owner
	violation := {"rule": "release-owner", "level": "advisory", "message": "no owner", "path": "/", "remediation": "x"}
}
"""
TESTS = b"""package my_rules_test

import data.my_rules

test_without if count(my_rules.deny) == 1 with input as {"release": {}}
"""


@pytest.fixture
def files() -> dict[str, bytes]:
    """A sound bundle."""
    made = dict(KIND.skeleton("acme", "my-rules"))
    for path in list(made):
        if path.endswith(".rego"):
            del made[path]
    return {**made, "content/my_rules/rules.rego": RULES, "tests/rules_test.rego": TESTS}


@pytest.fixture(scope="module")
def compiled() -> Compile:
    """Return what compiles files without a sandbox, which is quicker."""
    opa = ensure(load_settings().tools_dir, OPA)
    spec = {"entrypoints": ["my_rules/deny"], "level": "advisory"}
    return lambda files: compile_sources(PolicySources(files, spec), opa, run_here)


def test_a_sound_bundle_is_compiled(
    check: Upload, files: dict[str, bytes], database: Database, settings: Settings, acme: Principal
) -> None:
    upload = check(files)
    assert upload.state is UploadState.PUBLISHED, upload.findings
    assert upload.findings == []
    with database.tenant_session(acme.tenant_id) as session:
        service, version = AssetService(session), ("acme", "my-rules", "0.1.0")
        made = {
            name: service.artifact(acme.tenant_id, version, name, open_blobs(settings))[1]
            for name in ("policy.wasm", "policy.json")
        }
    facts = json.loads(made["policy.json"])
    assert facts["rules"][0] | {"description": "", "severity": ""} == {
        "rule": "release-owner",
        "level": "advisory",
        "title": "Every release has an owner",
        "description": "",
        "severity": "",
        "controls": ["CC1.1"],
        "file": "content/my_rules/rules.rego",
        "line": 7,
    }
    assert facts["covered"] == 100
    assert [each["outcome"] for each in facts["tests"]] == ["passed"]
    outcome = WasmEngine().evaluate(Question(read_bundle(*made.values()), "my_rules/deny", {"release": {}}))
    assert isinstance(outcome, Decided)
    assert [each["rule"] for each in outcome.value] == ["release-owner"]


@pytest.mark.parametrize(
    ("addition", "rule", "line", "says"),
    [
        (b"\nleak := opa.runtime().env if input.x\n", "rego-builtin", 12, "opa.runtime may not be called"),
        (b'\nsent := http.send({"url": "x"})\n', "rego-builtin", 12, "http.send may not be called"),
        (b'\nfound := net.lookup_ip_addr("example.com")\n', "rego-builtin", 12, "net.lookup_ip_addr may not be called"),
        (b"\nhuge := bits.lsh(1, 100000000000)\n", "rego-builtin", 12, "bits.lsh may not be called"),
        (
            b'\ndeny contains "x" if json.match_schema(input, {})[0]\n',
            "rego-builtin",
            12,
            "json.match_schema may not be called",
        ),
        (b"\nx := nothing.here(1)\n", "rego-function", 12, "nothing.here"),
        (b"\nx := 1 +\n", "rego-compile", 13, ""),
        (b'\nx if input.a == 1 + "a"\n', "rego-compile", 12, "invalid argument"),
        (b"\nx if {\n\ty := input.a\n\ttrue\n}\n", "rego-compile", 13, "y unused"),
        (b"\nallow if not input.attestations.provenance\n", "evidence-absent", 12, "leaves it out passes"),
        (b"\nallow if count(input.attestations) == 0\n", "evidence-absent", 12, "leaves it out passes"),
    ],
)
def test_what_cannot_be_published(
    compiled: Compile, files: dict[str, bytes], addition: bytes, rule: str, line: int, says: str
) -> None:
    outcome = compiled({**files, "content/my_rules/rules.rego": RULES + addition})
    assert not outcome.succeeded
    assert outcome.artifacts == ()
    (finding,) = (each for each in outcome.findings if each.rule == rule)
    assert (finding.path, finding.line, finding.level) == ("content/my_rules/rules.rego", line, "error")
    assert says in finding.message
    assert finding.fix


@pytest.mark.parametrize("name", ["patch.json", "my_rules/patch.json", ".signatures.json", "policy.wasm", "plan.json"])
def test_what_only_an_agent_would_understand_is_refused(files: dict[str, bytes], name: str) -> None:
    """A delta bundle with an empty patch takes all data away from an agent; OPA itself compiles it without a word."""
    made = {**files, f"content/{name}": b'{"data": []}'}
    checked, _ = check_files({path: PackageFile(data) for path, data in made.items()})
    assert [(each.rule, each.path) for each in checked.errors] == [("bundle-file", f"content/{name}")]


def test_a_failing_test_is_an_error(check: Upload, files: dict[str, bytes]) -> None:
    upload = check({**files, "tests/rules_test.rego": TESTS.replace(b"== 1", b"== 2")})
    assert upload.state is UploadState.REJECTED
    (finding,) = upload.findings
    assert (finding["rule"], finding["path"], finding["line"]) == ("rego-test", "tests/rules_test.rego", 5)


def test_what_is_only_worth_knowing(compiled: Compile, files: dict[str, bytes]) -> None:
    untested = b"""
deny contains violation if {
	some statement in input.attestations
	statement.bad
	violation := {"rule": "bad-statement", "level": "mandatory"}
}

default allow := true
"""
    outcome = compiled({**files, "content/my_rules/rules.rego": RULES + untested})
    assert outcome.succeeded
    rules = {each.rule for each in outcome.findings}
    assert rules == {"rego-coverage", "rule-title", "rule-control", "evidence-deny-list", "default-allow"}
    assert {each.level for each in outcome.findings} == {"warning"}


def test_a_test_that_never_ends_is_stopped(check: Upload, files: dict[str, bytes]) -> None:
    many = b"package t_test\n\nr := numbers.range(1, 3000)\n"
    crossed = many + b"\ntest_x if count([1 | some a in r; some b in r; some c in r]) > 0\n"
    upload = check({**files, "tests/rules_test.rego": crossed})
    assert upload.state is UploadState.REJECTED
    assert {each["rule"] for each in upload.findings} & {"rego-test", "rego-stopped"}


def test_the_same_sources_give_the_same_bytes(compiled: Compile, files: dict[str, bytes]) -> None:
    made = [compiled(files).artifacts for _ in range(2)]
    assert made[0] == made[1]
    assert len(made[0]) == 2
