"""What can be wrong with an idempotency key."""

from catalog.errors import ConflictError, InvalidInputError


class KeyReusedError(InvalidInputError):
    """The key was used before, for another request."""

    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"


class InvalidKeyError(InvalidInputError):
    """The key is not one."""

    code = "idempotency_key_invalid"
    title = "The idempotency key is not valid"


class RequestInFlightError(ConflictError):
    """The same request is being carried out at this moment."""

    code = "request_in_flight"
    title = "The same request is being carried out"
