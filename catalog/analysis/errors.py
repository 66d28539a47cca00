"""How work on analyses fails."""

from catalog.errors import InvalidInputError, NotFoundError


class AnalysisNotFoundError(NotFoundError):
    """The tenant has no such analysis."""

    code = "analysis_not_found"


class AnalysisRefusedError(InvalidInputError):
    """The analysis could decide nothing, or would measure what nobody can."""

    code = "analysis_refused"
    title = "The analysis makes no sense"
