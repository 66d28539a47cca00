"""How work on installs fails."""

from catalog.errors import ConflictError, InvalidInputError, NotFoundError


class InstallNotFoundError(NotFoundError):
    """The tenant has no such install, plan or revision."""

    code = "install_not_found"


class InstallExistsError(ConflictError):
    """The name or the place is taken by an install that lives."""

    code = "install_exists"
    title = "There is such an install already"


class InstallBusyError(ConflictError):
    """Another change of this install is under way."""

    code = "install_busy"
    title = "Another change of this install is under way"


class PlanNotReadyError(ConflictError):
    """The plan is still being made, could not be made, or was applied already."""

    code = "plan_not_ready"
    title = "The plan cannot be applied"


class PlanMovedError(ConflictError):
    """The digest is not the plan's, so what was looked at is not what would be applied."""

    code = "plan_moved"
    title = "The plan is another one by now"


class ConflictsUnresolvedError(ConflictError):
    """Files that were changed on both sides need a decision before the plan can be applied."""

    code = "conflicts_unresolved"
    title = "Some files need a decision first"


class UpgradeRefusedError(InvalidInputError):
    """The version cannot be reached from the one that is installed."""

    code = "upgrade_refused"
    title = "This version cannot be reached from the installed one"


class RevisionDamagedError(ConflictError):
    """What is stored of a revision does not have the digest that was recorded."""

    code = "revision_damaged"
    title = "The revision cannot be made again"
