"""What an idempotency key may look like, and what becomes of a key that is met again."""

from datetime import datetime, timedelta
from enum import StrEnum

from catalog.errors import FieldError
from catalog.idempotency.errors import InvalidKeyError
from catalog.idempotency.models import IdempotencyKey

RETENTION = timedelta(hours=24)
LOCK = timedelta(minutes=2)
MAXIMUM_LENGTH = 255


class Meeting(StrEnum):
    """What a request finds under its key."""

    FREE = "free"
    OTHER_REQUEST = "other_request"
    IN_FLIGHT = "in_flight"
    ANSWERED = "answered"


def check_key(key: str) -> None:
    """Raise ``InvalidKeyError`` unless ``key`` is 1 to 255 printable ASCII characters."""
    if not 1 <= len(key) <= MAXIMUM_LENGTH or not (key.isascii() and key.isprintable()):
        fix = f"Use 1 to {MAXIMUM_LENGTH} printable ASCII characters, best a random UUID."
        raise InvalidKeyError(fix, [FieldError("/headers/Idempotency-Key", fix)])


def meet(row: IdempotencyKey, fingerprint: str, moment: datetime) -> Meeting:
    """Return what a request with ``fingerprint`` finds at ``moment``; whatever ran out is free."""
    if row.expires_at <= moment:
        return Meeting.FREE
    if row.answer is None and row.locked_until <= moment:
        return Meeting.FREE
    if row.fingerprint != fingerprint:
        return Meeting.OTHER_REQUEST
    return Meeting.IN_FLIGHT if row.answer is None else Meeting.ANSWERED
