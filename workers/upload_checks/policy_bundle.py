"""The check of policy bundles: compiled, its tests run, and what it calls held against what a policy may call."""

from catalog.assets.artifacts import Derived
from catalog.assets.package import Package
from workers import toolchain
from workers.policy_compiler import PolicySources
from workers.policy_compiler.compiling import CompilerMissingError, compile_sources
from workers.toolchain import ToolMissingError
from workers.upload_checks import Bench, CheckNotPossibleError, Result

_FOLDERS = ("content", "tests")


class PolicyBundleCheck:
    """The check of the kind ``policy-bundle``."""

    name = "policy-bundle"

    def check(self, package: Package, bench: Bench) -> Result:
        """Compile the bundle; what it is compiled to is kept beside it."""
        try:
            opa = toolchain.ensure(bench.settings.tools_dir, toolchain.OPA, bench.log)
        except ToolMissingError as error:
            raise CheckNotPossibleError(str(error)) from None
        archive = package.archive
        files = {path: archive.read(path) for folder in _FOLDERS for path in archive.under(folder)}
        bench.step("compile")
        sources = PolicySources(files, package.document.value["spec"])
        try:
            compiled = compile_sources(sources, opa, bench.run)
        except CompilerMissingError as error:
            raise CheckNotPossibleError(str(error)) from None
        covered = compiled.report.get("covered")
        if covered is not None:
            bench.log(f"The tests reach {covered} % of the lines with rules.")
        return Result(compiled.findings, Derived(compiled.artifacts))


CHECK = PolicyBundleCheck()
