"""``python -m workers.sbom_program``: describes the folder ``tree`` after ``order.json``, beside both.

Writes ``cyclonedx.json`` (1.6), ``spdx.json`` (2.3) and ``report.json``. Where ``given.json`` lies there (a CycloneDX
document of another generator), it is described in SPDX instead of looking at files.
"""

import json
import sys
from pathlib import Path
from typing import Any

from workers.sbom_program.collect import Collection, collect
from workers.sbom_program.cyclonedx_document import read_components, write_cyclonedx
from workers.sbom_program.spdx_document import write_spdx


def main() -> int:
    """Write the documents; return 1 where the order cannot be read."""
    order: dict[str, Any] = json.loads(Path("order.json").read_text(encoding="utf-8"))
    given = Path("given.json")
    if given.is_file():
        found = Collection(components=read_components(json.loads(given.read_text(encoding="utf-8"))), readers=["given"])
    else:
        found = collect(Path("tree"), order)
        Path("cyclonedx.json").write_text(write_cyclonedx(order, found), encoding="utf-8")
    Path("spdx.json").write_text(write_spdx(order, found), encoding="utf-8")
    report = {
        "readers": sorted(set(found.readers)),
        "problems": found.problems[:50],
        "components": len(found.components),
    }
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
