"""Which parts of the input the rules of a bundle may look at: where it is not certain, they may."""

import pytest

from catalog.policies.bundles import LoadedBundle
from catalog.policies.engine import CompiledBundle


def reads(*modules: str) -> bool:
    texts = {f"{number}.rego": each for number, each in enumerate(modules)}
    compiled = CompiledBundle("sha256:0", b"", ("guard/deny",), modules=texts)
    return LoadedBundle("acme/guard", "1.0.0", compiled, ("guard",)).reads("plan")


@pytest.mark.parametrize(
    "code",
    [
        "deny if input.plan.resources",
        'deny if input["plan"]',
        "deny if input\n\t.plan",
        "deny if input[part].resources",
        'deny if object.get(input, ["plan", "resources"], null)',
        "deny if { walk(input, [path, value]) }",
        "import input as document\ndeny if document.plan",
        "import input.plan as things",
        "deny if { some part; input[part] }",
        "deny if { x := input; x }",
        "s := `\n# `; deny if input.plan",
    ],
)
def test_rules_that_reach_the_plan_by_any_way_are_known(code: str) -> None:
    assert reads("package other\n\ndeny if input.release", f"package guard\n\n{code}\n")


def test_rules_that_only_name_other_parts_do_not_read_it() -> None:
    code = "package guard\n\n# The input, and its plan.\ndeny if { input.release.service; input.environment.name }\n"
    assert not reads(code)
    assert reads()
