"""The generator that is always there: cyclonedx-python-lib and spdx-tools, with cyclonedx-bom for Python lock files.

It reads wheels, lock files (pip, Poetry, Pipenv, uv, npm, Cargo, Go) and, where there is none, project files.
"""

from importlib.metadata import version

from catalog.attestations.sboms.models import SbomFormat
from catalog.settings import Settings
from workers.sbom_generators import GenerationError, Made, Material, MaterialKind, Run, described


class CycloneDxPython:
    """The generator ``cyclonedx-python``."""

    name = "cyclonedx-python"
    rank = 90
    kinds = frozenset({MaterialKind.PACKAGE, MaterialKind.NPM, MaterialKind.TREE})

    def missing(self, settings: Settings) -> str:  # noqa: ARG002  # the protocol's signature
        """Return "": it comes with Slipway."""
        return ""

    def generate(self, material: Material, settings: Settings, run: Run) -> Made:  # noqa: ARG002  # as above
        """Describe files in both formats."""
        outcome, report = described(material, None, run)
        if "cyclonedx.json" not in outcome.files:
            raise GenerationError("The generator wrote no CycloneDX document.")
        problems = tuple(str(each)[:300] for each in report.get("problems", ()))[:20]
        documents = {
            SbomFormat.CYCLONEDX: outcome.files["cyclonedx.json"],
            SbomFormat.SPDX: outcome.files["spdx.json"],
        }
        return Made(documents, f"cyclonedx-python-lib {version('cyclonedx-python-lib')}", problems)


GENERATOR = CycloneDxPython()
