"""cdxgen, for npm packages and source trees: used where our own copy of it was installed; see `workers.toolchain`.

It writes CycloneDX alone; the SPDX document says the same, and is written from it as the other generators' are.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from catalog.attestations.sboms.models import SbomFormat
from catalog.settings import Settings
from workers import toolchain
from workers.sandbox import MIB, SandboxLimits, Task
from workers.sbom_generators import NPM_FILE, GenerationError, Made, Material, MaterialKind, Run, described, generators

_DOCUMENT = "cyclonedx.json"
_UNPACK = f'mkdir tree && tar -xzf {NPM_FILE} -C tree --no-same-owner && exec "$@"'
LIMITS = SandboxLimits(
    wall_seconds=180,
    cpu_seconds=150,
    memory_bytes=2048 * MIB,
    disk_bytes=1024 * MIB,
    file_bytes=256 * MIB,
    output_bytes=1 * MIB,
    processes=128,
    open_files=1024,
)
"""What one run may use: node keeps more memory at hand than the other generators."""
ENVIRONMENT = {
    "NODE_OPTIONS": "--max-old-space-size=1024",
    "OPENSSL_CONF": "/dev/null",  # that of the machine is not to be read in the sandbox
    "CDXGEN_TIMEOUT_MS": "60000",
    "FETCH_LICENSE": "false",
    "CDXGEN_NO_BANNER": "true",
    "SCARF_ANALYTICS": "false",
}


class Cdxgen:
    """The generator ``cdxgen``."""

    name = "cdxgen"
    rank = 20
    kinds = frozenset({MaterialKind.NPM, MaterialKind.TREE})

    def missing(self, settings: Settings) -> str:
        """Return how to get cdxgen where it is not there; nothing is installed while a job waits."""
        if toolchain.find_npm(settings.tools_dir, toolchain.CDXGEN) is not None:
            return ""
        return (
            f"cdxgen is missing, so {toolchain.CDXGEN.purpose}. Let `python -m workers.toolchain cdxgen` install it"
            f" ({toolchain.CDXGEN.install})."
        )

    def generate(self, material: Material, settings: Settings, run: Run) -> Made:
        """Let cdxgen read what lies there; it installs nothing, runs nothing of it, and reaches no network."""
        program = toolchain.find_npm(settings.tools_dir, toolchain.CDXGEN)
        if program is None:
            raise GenerationError(self.missing(settings))
        root = material.root
        command = [
            str(program.node), str(program.script), "--output", _DOCUMENT, "--spec-version", "1.6", "--no-install-deps",
            "--no-babel", "--no-evidence", "--fail-on-error", "--lifecycle", "pre-build",
            "--project-name", root.name, "--project-version", root.version, "tree",
        ]  # fmt: skip
        files = {f"tree/{path}": data for path, data in material.files.items()} or {"tree/.keep": b""}
        if material.kind is MaterialKind.NPM:
            command[-1:-1] = ["--type", "js"]
            command = ["sh", "-c", _UNPACK, "sh", *command]
            files = dict(material.files)
        task = Task(
            command,
            files=files,
            readable=(program.folder, program.node),
            collect=(_DOCUMENT,),
            environment=ENVIRONMENT,
            limits=LIMITS,
        )
        outcome = run(task)
        document = outcome.files.get(_DOCUMENT)
        if not outcome.succeeded or document is None:
            reason = outcome.reason(LIMITS) or "it wrote no document"
            raise GenerationError(f"cdxgen did not come to an end: {reason}.")
        if material.kind is MaterialKind.NPM and not _lists(document):
            # A package without a lock asks for versions and pins none; what it asks for is worth knowing, too.
            return generators()["cyclonedx-python"].generate(material, settings, run)
        spdx, _ = described(material, document, run)
        documents = {SbomFormat.CYCLONEDX: document, SbomFormat.SPDX: spdx.files["spdx.json"]}
        return Made(documents, f"cdxgen {_version(document)}")


def _lists(document: bytes) -> bool:
    """Tell whether a document lists any component."""
    try:
        return bool(json.loads(document).get("components"))
    except (ValueError, AttributeError):
        return False


def _version(document: bytes) -> str:
    """Return the version that cdxgen writes into its documents."""
    try:
        tools: Mapping[str, Any] = json.loads(document)["metadata"]["tools"]
        return re.sub(r"[^\w.+-]", "", str(tools["components"][0]["version"]))[:40]
    except (ValueError, KeyError, IndexError, TypeError):
        return toolchain.CDXGEN.version


GENERATOR = Cdxgen()
