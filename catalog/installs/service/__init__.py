"""InstallService: what a tenant has taken into use, planned before it happens, revision by revision."""

from catalog.installs.service.applying import Applying, Wanted, hold_to_decisions
from catalog.installs.service.approving import KIND as APPROVALS
from catalog.installs.service.drafting import Draft
from catalog.installs.service.labelling import Labelling
from catalog.installs.service.reading import PageOfInstalls, Reading, kept_files, read_plan, read_revision
from catalog.installs.service.reports import InstallReports, Proposal, Work
from catalog.installs.service.settling import BY_HAND, DECLINED, Applied

__all__ = [
    "APPROVALS",
    "BY_HAND",
    "DECLINED",
    "Applied",
    "Draft",
    "InstallReports",
    "InstallService",
    "PageOfInstalls",
    "Proposal",
    "Wanted",
    "Work",
    "hold_to_decisions",
    "kept_files",
    "read_plan",
    "read_revision",
]


class InstallService(Applying, Reading, Labelling):
    """One unit of work on installs; everything happens in the session's transaction."""
