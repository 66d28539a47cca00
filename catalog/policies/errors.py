"""How work on policies fails."""

from catalog.errors import ConflictError, InvalidInputError, UnavailableError


class NotEvaluatedError(InvalidInputError):
    """A policy has no answer for this input, so nothing is allowed; the detail says why."""

    code = "policy_not_evaluated"
    title = "The policy could not be evaluated"


class EngineUnavailableError(UnavailableError):
    """The engine that evaluates policies does not answer, so nothing is allowed."""

    code = "policy_engine_unavailable"
    title = "The policy engine does not answer"


class BundleNotCompiledError(ConflictError):
    """The version holds no compiled policy, so it can neither be bound nor asked."""

    code = "bundle_not_compiled"
    title = "This version has no compiled policy"


class NotOverridableError(ConflictError):
    """What stopped it is no rule that a person may override."""

    code = "not_overridable"
    title = "This cannot be overridden"
