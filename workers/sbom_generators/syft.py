"""syft, for images and source trees: used where the program is on PATH or in our own copy."""

import json
import re
from pathlib import Path

from catalog.attestations.sboms.models import SbomFormat
from catalog.settings import Settings
from workers import toolchain
from workers.sandbox import Task
from workers.sbom_generators import LIMITS, GenerationError, Made, Material, MaterialKind, Run

_CYCLONEDX, _SPDX = "cyclonedx.json", "spdx.json"
_IMAGE = "image.tar"


class Syft:
    """The generator ``syft``."""

    name = "syft"
    rank = 10
    kinds = frozenset({MaterialKind.IMAGE, MaterialKind.TREE})

    def missing(self, settings: Settings) -> str:
        """Return how to get syft where it is not there; nothing is built while a job waits."""
        if toolchain.find(settings.tools_dir, toolchain.SYFT) is not None:
            return ""
        return (
            f"syft is missing, so {toolchain.SYFT.purpose}. Install it so that `syft` is on PATH "
            f"({toolchain.SYFT.install}), or let `python -m workers.toolchain syft` build it."
        )

    def generate(self, material: Material, settings: Settings, run: Run) -> Made:
        """Let syft write both documents in one go; it neither updates itself nor reaches a network."""
        program = toolchain.find(settings.tools_dir, toolchain.SYFT)
        if program is None:
            raise GenerationError(self.missing(settings))
        is_image = material.kind is MaterialKind.IMAGE
        files = {_IMAGE: next(iter(material.files.values()))} if is_image else {}
        files |= {} if is_image else {f"tree/{path}": data for path, data in material.files.items()}
        command = [
            str(program), "scan", f"oci-archive:{_IMAGE}" if is_image else "dir:tree", "--quiet",
            "--source-name", material.root.name, "--source-version", material.root.version,
            "-o", f"cyclonedx-json@1.6={_CYCLONEDX}", "-o", f"spdx-json@2.3={_SPDX}",
        ]  # fmt: skip
        task = Task(
            command,
            files=files or {"tree/.keep": b""},
            readable=(Path(program),),
            collect=(_CYCLONEDX, _SPDX),
            environment={"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_PARALLELISM": "1", "GOMAXPROCS": "2"},
            limits=LIMITS,
        )
        outcome = run(task)
        if not outcome.succeeded or not {_CYCLONEDX, _SPDX} <= set(outcome.files):
            reason = outcome.reason(LIMITS) or "it wrote no document"
            raise GenerationError(f"syft did not come to an end: {reason}.")
        documents = {SbomFormat.CYCLONEDX: outcome.files[_CYCLONEDX], SbomFormat.SPDX: outcome.files[_SPDX]}
        return Made(documents, f"syft {_version(documents[SbomFormat.CYCLONEDX])}")


def _version(document: bytes) -> str:
    """Return the version that syft writes into its documents."""
    try:
        tools = json.loads(document)["metadata"]["tools"]["components"]
        return re.sub(r"[^\w.+-]", "", str(tools[0]["version"]))[:40]
    except (ValueError, KeyError, IndexError, TypeError):
        return toolchain.SYFT.version


GENERATOR = Syft()
