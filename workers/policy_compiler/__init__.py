"""Compiles policy bundles with OPA: checked, tested, turned into WebAssembly, and reported with file, line and fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.assets.artifacts import Artifact
from catalog.assets.findings import Finding, errors_of
from catalog.assets.package import Package

__all__ = ["Compiled", "PolicySources"]

_FOLDERS = ("content", "tests")


@dataclass(frozen=True)
class PolicySources:
    """A bundle before it is compiled.

    ``files`` are its files by path (``content/...``, ``tests/...``), ``spec`` the ``spec`` of its manifest.
    """

    files: Mapping[str, bytes] = field(repr=False)
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, package: Package) -> "PolicySources":
        """Return what of a package is compiled."""
        archive = package.archive
        files = {path: archive.read(path) for folder in _FOLDERS for path in archive.under(folder)}
        return cls(files, package.document.value["spec"])

    @property
    def entrypoints(self) -> Sequence[str]:
        """The rules that may be asked, such as ``baseline/deny``."""
        return tuple(self.spec["entrypoints"])

    @property
    def has_tests(self) -> bool:
        """Tell whether there is anything to run."""
        return any(path.startswith("tests/") and path.endswith("_test.rego") for path in self.files)


@dataclass(frozen=True)
class Compiled:
    """What became of a bundle: findings, and where none is an error what was made (``policy.wasm``, ``policy.json``).

    ``report`` is the content of ``policy.json``: also there where something failed, as far as it came.
    """

    findings: tuple[Finding, ...]
    artifacts: tuple[Artifact, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Tell whether the bundle can be published."""
        return not errors_of(self.findings)
