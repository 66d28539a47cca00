"""``python -m workers.toolchain NAME...``: make sure that these programs are there, and print their paths."""

import argparse
import sys

from catalog.settings import load_settings
from workers import toolchain

TOOLS = {
    tool.name: tool
    for tool in (
        *(toolchain.OPA, toolchain.ORAS, toolchain.COSIGN, toolchain.ACTIONLINT),
        *(toolchain.SYFT, toolchain.REGISTRY, toolchain.VERSITYGW),
        *(toolchain.KUBE_APISERVER, toolchain.KUBE_CONTROLLER_MANAGER, toolchain.KWOK),
    )
}
NPM_TOOLS = {tool.name: tool for tool in (toolchain.CDXGEN,)}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def main() -> int:
    """Get every program that was named; return 1 where one could not be had."""
    parser = argparse.ArgumentParser(prog="python -m workers.toolchain", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted({**TOOLS, **NPM_TOOLS}))
    tools_dir = load_settings().tools_dir
    for name in parser.parse_args().names:
        try:
            path = (
                toolchain.ensure_npm(tools_dir, NPM_TOOLS[name], _tell).script
                if name in NPM_TOOLS
                else toolchain.ensure(tools_dir, TOOLS[name], _tell)
            )
        except toolchain.ToolMissingError as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 1
        print(path)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
