"""The pages of uploads: sending an archive, what its checks found, and what was published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Protocol

from catalog.assets.findings import Finding, in_order
from portal.pages.render import Page


@dataclass(frozen=True)
class UploadPage(Page):
    """The form that takes an archive; after a refusal it says what was found in ``filename``."""

    template: ClassVar[str] = "uploads/new.html"
    fragments: ClassVar[Mapping[str, str]] = {"upload-findings": "uploads/_findings.html"}

    namespace: str
    may_publish: bool
    filename: str = ""
    findings: Sequence[Finding] = ()
    problem: str = ""

    @property
    def groups(self) -> list[tuple[str, list[Finding]]]:
        """Return the findings by file, those of the archive itself first."""
        ordered = sorted(in_order(self.findings), key=lambda finding: finding.path)
        return [(path, list(group)) for path, group in groupby(ordered, key=lambda finding: finding.path)]

    @property
    def error_count(self) -> int:
        """Return how many findings keep the archive from being published."""
        return sum(finding.level == "error" for finding in self.findings)


class PublishedVersion(Protocol):
    """What the page says of a version that was just published."""

    @property
    def namespace(self) -> str:
        """The publisher's namespace."""

    @property
    def name(self) -> str:
        """The name in the namespace."""

    @property
    def version(self) -> str:
        """The version."""

    @property
    def kind(self) -> str:
        """The kind of asset."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the archive."""


@dataclass(frozen=True)
class PublishedPage(Page):
    """What was published, with the warnings that did not stop it."""

    template: ClassVar[str] = "uploads/published.html"

    version: PublishedVersion
    display_name: str
    warnings: Sequence[Finding] = ()
    was_there: bool = False
