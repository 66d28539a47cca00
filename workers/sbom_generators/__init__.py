"""Generators of bills of materials, one file each: what they can look into, and how they are run in the sandbox."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from catalog.attestations.sboms.models import SbomFormat
from catalog.discovery import discover
from catalog.settings import Settings
from workers.sandbox import MIB, Outcome, SandboxLimits, Task
from workers.sbom_program.names import is_read

GROUP = "slipway.sbom_generators"
LIMITS = SandboxLimits(
    wall_seconds=180,
    cpu_seconds=150,
    memory_bytes=1024 * MIB,
    disk_bytes=1024 * MIB,
    file_bytes=256 * MIB,
    output_bytes=1 * MIB,
)
"""What one run of a generator may use; content that makes one use more gets no bill of materials."""
PROGRAM = Path(__file__).parents[1] / "sbom_program"

NPM_FILE = "package.tgz"
"""Under this name the one file of an npm package is handed in."""

Run = Callable[[Task], Outcome]


class MaterialKind(StrEnum):
    """What a generator is given: files as a project or package has them, or an image as one file, an OCI layout in tar.

    ``npm`` is one npm package as registries keep it, a tar archive with gzip.
    """

    PACKAGE = "package"
    NPM = "npm"
    TREE = "tree"
    IMAGE = "image"


@dataclass(frozen=True)
class Root:
    """What the documents are about; ``digest`` is its SHA-256 in hexadecimal, "" where it has none of its own."""

    name: str
    version: str
    purl: str
    digest: str = ""
    license: str = ""
    description: str = ""


@dataclass(frozen=True)
class Material:
    """One thing to be described: its files (an image is one file), its root, and when it came to be.

    ``serial`` makes the documents the same ones when they are made again; ``dependencies`` are (package URL,
    constraint) that nobody could read out of the files.
    """

    kind: MaterialKind
    files: Mapping[str, bytes] = field(repr=False)
    root: Root
    created: datetime
    serial: UUID
    slipway: str
    dependencies: tuple[tuple[str, str], ...] = ()

    def order(self) -> str:
        """Return what the program in the sandbox is told."""
        root = {
            "name": self.root.name,
            "version": self.root.version,
            "purl": self.root.purl,
            "sha256": self.root.digest,
            "license": self.root.license,
            "description": self.root.description,
        }
        order = {
            "root": root,
            "created": self.created.isoformat(),
            "serial": str(self.serial),
            "slipway": self.slipway,
            "dependencies": [{"purl": purl, "constraint": constraint} for purl, constraint in self.dependencies],
        }
        return json.dumps(order)


@dataclass(frozen=True)
class Made:
    """Documents byte for byte as the generator wrote them, by format; ``generator`` names it and its version."""

    documents: Mapping[SbomFormat, bytes]
    generator: str
    problems: tuple[str, ...] = ()


class GenerationError(Exception):
    """A generator made nothing of what it was given; one line for people."""


@runtime_checkable
class SbomGenerator(Protocol):
    """One tool. It runs in the sandbox alone, through ``run``, and raises ``GenerationError`` and ``SandboxError``.

    ``rank`` orders those that could do the same: the lowest that is there is used.
    """

    name: str
    rank: int
    kinds: frozenset[MaterialKind]

    def missing(self, settings: Settings) -> str:
        """Return what is missing on this machine and how to get it, "" where the tool is there."""
        ...

    def generate(self, material: Material, settings: Settings, run: Run) -> Made:
        """Return both documents."""
        ...


@cache
def generators() -> Mapping[str, SbomGenerator]:
    """Return every generator by name; raise ``DiscoveryError`` where one is broken."""
    return discover(GROUP, "GENERATOR", SbomGenerator)


def generator_for(kind: MaterialKind, settings: Settings) -> tuple[SbomGenerator | None, str]:
    """Return the generator to use for a kind of material, or None and what is missing for it."""
    able = sorted((each for each in generators().values() if kind in each.kinds), key=lambda each: each.rank)
    missing = {each.name: each.missing(settings) for each in able}
    found = next((each for each in able if not missing[each.name]), None)
    return found, "" if found is not None else " ".join(filter(None, missing.values()))


def described(material: Material, given: bytes | None, run: Run) -> tuple[Outcome, dict[str, Any]]:
    """Run our own program over a material, or over the CycloneDX document that another generator made of it."""
    if given is None:
        files = {f"tree/{path}": data for path, data in material.files.items() if is_read(path)}
    else:
        files = {"given.json": given}
    names = ("cyclonedx.json", "spdx.json", "report.json")
    outcome = run(
        Task(
            ["python", "-I", str(PROGRAM / "__main__.py")],
            files=files,
            readable=(PROGRAM,),
            collect=names,
            line=material.order(),
            limits=LIMITS,
        )
    )
    if not outcome.succeeded or "spdx.json" not in outcome.files:
        reason = outcome.reason(LIMITS) or "it wrote no document"
        raise GenerationError(f"The generator did not come to an end: {reason}.")
    report = json.loads(outcome.files.get("report.json", b"{}"))
    return outcome, report if isinstance(report, dict) else {}
