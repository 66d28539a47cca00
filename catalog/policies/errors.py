"""How work on policies fails."""

from catalog.errors import ConflictError, ForbiddenError, InvalidInputError, UnavailableError


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


class PersonNeededError(ForbiddenError):
    """Only a person may answer for it, and the caller is a token that belongs to nobody."""

    code = "person_needed"
    title = "A person has to answer for this"


class EngineMissingError(ConflictError):
    """The engine that decided is not part of this installation any more, so nothing can be decided by it again."""

    code = "policy_engine_missing"
    title = "The engine that decided is not here"
