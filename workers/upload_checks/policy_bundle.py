"""The check of policy bundles: compiled, its tests run, and what it calls held against what a policy may call."""

from catalog.assets.artifacts import Derived
from catalog.assets.package import Package
from workers import toolchain
from workers.policy_compiler import Compiled, PolicySources, prepared
from workers.policy_compiler.compiling import CompilerMissingError, compile_sources, version
from workers.toolchain import ToolMissingError
from workers.upload_checks import Bench, CheckNotPossibleError, Result


class PolicyBundleCheck:
    """The check of the kind ``policy-bundle``."""

    name = "policy-bundle"

    def check(self, package: Package, bench: Bench) -> Result:
        """Compile the bundle; what it is compiled to is kept beside it."""
        sources = PolicySources.of(package)
        bench.step("compile")
        compiled = _prepared(sources, bench) or _compiled(sources, bench)
        covered = compiled.report.get("covered")
        if covered is not None:
            bench.log(f"The tests reach {covered} % of the lines with rules.")
        return Result(compiled.findings, Derived(compiled.artifacts))


def _prepared(sources: PolicySources, bench: Bench) -> Compiled | None:
    """Return what was made of a curated bundle when Slipway was set up, with the same OPA from the same bytes."""
    tools = bench.settings.tools_dir
    opa = toolchain.find(tools, toolchain.OPA)
    release = toolchain.OPA.version.removeprefix("v") if opa is None else version(opa)
    found = prepared.find(tools, sources, release)
    if found is not None:
        bench.log(f"Compiled and tested with OPA {release} when Slipway was set up, from just these files.")
    return found


def _compiled(sources: PolicySources, bench: Bench) -> Compiled:
    try:
        opa = toolchain.ensure(bench.settings.tools_dir, toolchain.OPA, bench.log)
        return compile_sources(sources, opa, bench.run)
    except (ToolMissingError, CompilerMissingError) as error:
        raise CheckNotPossibleError(str(error)) from None


CHECK = PolicyBundleCheck()
