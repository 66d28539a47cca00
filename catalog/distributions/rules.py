"""What the states of versions mean to Python's installers."""

from collections.abc import Sequence

from catalog.assets.life import MEANINGS, Choice
from catalog.assets.models import VersionState
from catalog.distributions.models import FileRow, IndexFile, ProjectStatus


def is_handed_out(state: VersionState) -> bool:
    """Tell whether a file can be fetched by who knows its address: what runs from a revoked version goes on."""
    return MEANINGS[state].download


def listed(row: FileRow) -> IndexFile | None:
    """Return a file as the index lists it, None where its version can no longer be chosen."""
    choice = MEANINGS[row.state].choice
    if choice is Choice.NEVER:
        return None
    return IndexFile(
        filename=row.filename,
        version=row.version,
        requires_python=row.requires_python,
        digest=row.digest,
        size=row.size,
        core_digest=row.core_digest,
        uploaded_at=row.uploaded_at,
        yanked=(row.state_reason or f"This version is {row.state}.") if choice is Choice.PINNED else None,
    )


def status(rows: Sequence[FileRow]) -> tuple[ProjectStatus, str]:
    """Return the status of a project with its reason, from its versions, oldest first.

    Active as long as one version is published; else what its newest version that counts is.
    """
    states = {row.state for row in rows}
    if VersionState.PUBLISHED in states:
        return ProjectStatus.ACTIVE, ""
    for state, verdict in _VERDICTS.items():
        reasons = [row.state_reason or "" for row in rows if row.state is state]
        if reasons:
            return verdict, reasons[-1]
    return ProjectStatus.ACTIVE, ""


# In this order: what still works says more about a project than what was taken away.
_VERDICTS = {
    VersionState.DEPRECATED: ProjectStatus.DEPRECATED,
    VersionState.ARCHIVED: ProjectStatus.ARCHIVED,
    VersionState.QUARANTINED: ProjectStatus.QUARANTINED,
}
