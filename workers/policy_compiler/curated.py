"""``python -m workers.policy_compiler.curated``: compile the curated policy bundles before anybody publishes them."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from catalog.assets.check import check_directory
from catalog.assets.curated import curated_folder
from catalog.assets.kinds.policy_bundle import KIND
from catalog.settings import load_settings
from workers import toolchain
from workers.policy_compiler import PolicySources, prepared
from workers.policy_compiler.compiling import compile_sources, version
from workers.policy_compiler.here import run_here

_AT_ONCE = 2


def main() -> int:
    """Compile what is not compiled yet; 1 where a bundle cannot be, which publishing it would say again."""
    tools = load_settings().tools_dir
    try:
        opa = toolchain.ensure(tools, toolchain.OPA, _say)
    except toolchain.ToolMissingError as error:
        _say(f"{error}. The curated policy bundles are compiled when they are first published.")
        return 0
    release = version(opa)
    bundles = list(curated_bundles(curated_folder()))
    missing = [(name, sources) for name, sources in bundles if prepared.find(tools, sources, release) is None]
    if missing:
        _say(f"Compiling {len(missing)} curated policy bundles and running their tests")

    def make(bundle: tuple[str, PolicySources]) -> str:
        name, sources = bundle
        compiled = compile_sources(sources, opa, run_here)
        if not compiled.succeeded:
            return f"{name} does not compile: {'; '.join(map(str, compiled.findings))}"
        prepared.keep(tools, sources, release, compiled)
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        problems = [problem for problem in threads.map(make, missing) if problem]
    prepared.forget_old(tools)
    for problem in problems:
        _say(problem)
    return 1 if problems else 0


def curated_bundles(folder: Path) -> Iterator[tuple[str, PolicySources]]:
    """Yield every policy bundle below a folder of assets with its name, as an upload of it would be compiled."""
    for manifest in sorted(folder.rglob("asset.yaml")):
        if yaml.safe_load(manifest.read_text(encoding="utf-8")).get("kind") != KIND.name:
            continue
        package = check_directory(manifest.parent)[0].package
        if package is not None:
            yield package.manifest.metadata.name, PolicySources.of(package)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
