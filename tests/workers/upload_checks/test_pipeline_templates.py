"""What pipeline templates render to in the sandbox, and what is said where that is not what it should be."""

from collections.abc import Callable

import pytest

from catalog.assets.archive import PackageFile
from catalog.assets.check import check_files, try_out
from catalog.assets.findings import Finding
from catalog.assets.kinds import kinds
from workers.upload_checks import Bench
from workers.upload_checks.pipeline_template import CHECK

TEMPLATE = "content/github/test.yml.j2"
GOLDEN = "examples/default/expected/.github/workflows/test.yml"
Changes = dict[str, bytes | None]


def files(**changes: bytes | None) -> dict[str, PackageFile]:
    found = {**kinds()["pipeline-template"].skeleton("acme", "thing"), **changes}
    return {path: PackageFile(data) for path, data in found.items() if data is not None}


def rendered_by(bench: Bench, **changes: bytes | None) -> list[Finding]:
    checked, _ = check_files(files(**changes))
    assert not checked.errors, checked.errors
    assert checked.package is not None
    return list(CHECK.check(checked.package, bench).findings)


def template(text: str) -> Changes:
    return {TEMPLATE: text.encode(), GOLDEN: None}


WORKFLOW = "name: x\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n"


def test_the_skeleton_renders_to_its_golden_files(bench: Bench) -> None:
    assert rendered_by(bench) == []


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({GOLDEN: b"name: other\n"}, "golden", "something else in line 1"),
        ({"examples/default/expected/gone.yml": b"x"}, "golden", "Nothing renders to this file"),
        ({"content/github/more.yml": WORKFLOW.encode()}, "golden", "which is not expected"),
        (template(f"[# #]{WORKFLOW}"), "golden-missing", "does not say what it renders to"),
        (template(WORKFLOW + "# [[ inputs['nothing'] ]]\n"), "render", "has no attribute 'nothing'"),
        (template(WORKFLOW + "# [[ 1 / 0 ]]\n"), "render", "ZeroDivisionError"),
        (template(WORKFLOW + "# [[ ''.__class__.__mro__ ]]\n"), "render", "unsafe"),
        (template(WORKFLOW + "# [% include 'x' %]\n"), "render", "no loader"),
        (template("name: [[ '[' ]]\non: push\n"), "render-yaml", "Not valid YAML"),
        (template(WORKFLOW.replace("steps:", "stepz:")), "render-schema", "jobs/a"),
        (template("name: x\n"), "render-schema", "'on' is a required property"),
        (
            template("[% for a in 'x' * 9999999 %][% for b in 'x' * 99999 %][[ a ]][% endfor %][% endfor %]"),
            "render",
            "it ",
        ),
        (template(WORKFLOW + "# [[ 'x' * 2000000 ]]"), "render-size", "more than 1048576 bytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(bench: Bench, changes: Changes, rule: str, said: str) -> None:
    found = rendered_by(bench, **changes)
    assert rule in [each.rule for each in found], found
    matching = next(each for each in found if each.rule == rule)
    assert said in matching.message, matching
    assert matching.fix


def test_an_error_has_the_line_of_the_template(bench: Bench) -> None:
    found = rendered_by(bench, **template("name: x\n# one\n# [[ inputs['nothing'] ]]\n"))
    assert [(each.path, each.line) for each in found if each.rule == "render"] == [(TEMPLATE, 3)]


def test_files_stay_in_their_target(bench: Bench) -> None:
    manifest = kinds()["pipeline-template"].skeleton("acme", "thing")["asset.yaml"].decode()
    twice = manifest + "    - {provider: azure-pipelines, from: content/github, to: .github/workflows}\n"
    found = rendered_by(bench, **{"asset.yaml": twice.encode()})
    assert "render-overlap" in [each.rule for each in found]
    for outside in ("../x", "/etc", ".git/hooks", "a/../../b"):
        moved = manifest.replace("to: .github/workflows", f"to: {outside}")
        checked, _ = check_files(files(**{"asset.yaml": moved.encode()}))
        assert checked.errors, outside


def test_azure_pipelines_are_held_against_their_own_schema(bench: Bench) -> None:
    manifest = kinds()["pipeline-template"].skeleton("acme", "thing")["asset.yaml"].decode()
    changes: Changes = {
        "asset.yaml": (manifest + "    - {provider: azure-pipelines, from: content/azure, to: .}\n").encode(),
        "content/azure/azure-pipelines.yml.j2": b"steps:\n  - script: echo [[ inputs.python_version ]]\n",
        "examples/default/expected/azure-pipelines.yml": b"steps:\n  - script: echo 3.12\n",
    }
    assert rendered_by(bench, **changes) == []
    changes["content/azure/azure-pipelines.yml.j2"] = b"stepz:\n  - script: echo 3.12\n"
    changes["examples/default/expected/azure-pipelines.yml"] = b"stepz:\n  - script: echo 3.12\n"
    assert [each.rule for each in rendered_by(bench, **changes)] == ["render-schema"]


def test_without_an_example_defaults_are_enough_or_asked_for(bench: Bench) -> None:
    gone: Changes = {"examples/default/inputs.json": None, GOLDEN: None}
    assert [each.rule for each in rendered_by(bench, **gone)] == ["golden-missing"]
    schema = kinds()["pipeline-template"].skeleton("acme", "thing")["inputs.schema.json"].decode()
    needed = schema.replace('"default": "3.12",', "")
    needed = needed.replace('"properties"', '"required": ["python_version"], "properties"')
    found = rendered_by(bench, **gone, **{"inputs.schema.json": needed.encode()})
    assert [each.rule for each in found] == ["example-missing"]


def test_an_author_is_told_the_same_at_home() -> None:
    checked, _ = check_files(files(**{GOLDEN: b"name: other\n"}))
    assert [each.rule for each in try_out(checked).findings] == ["golden"]


def test_an_upload_of_one_is_rejected_or_published(check: Callable[..., object]) -> None:
    skeleton = dict(kinds()["pipeline-template"].skeleton("acme", "thing"))
    assert check({**skeleton, GOLDEN: b"x: 1\n"}).state == "rejected"  # type: ignore[attr-defined]  # an UploadRead
    assert check(skeleton).state == "published"  # type: ignore[attr-defined]  # as above
