"""Describes the folder ``tree`` after an order; reads and writes nothing but in the working folder.

Writes ``cyclonedx.json`` (1.6), ``spdx.json`` (2.3) and ``report.json``. Where ``given.json`` lies there (a CycloneDX
document of another generator), it is described in SPDX instead of looking at files.
"""

import json
from pathlib import Path
from typing import Any

from workers.sbom_program.collect import Collection, collect
from workers.sbom_program.cyclonedx_document import read_components, write_cyclonedx
from workers.sbom_program.spdx_document import write_spdx


def describe(order: dict[str, Any]) -> None:
    """Write the documents."""
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
