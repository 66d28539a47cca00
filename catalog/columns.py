"""The column types that tables share, so that a kind of value is stored the same way everywhere."""

from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Enum
from sqlalchemy.dialects.postgresql import JSONB

Timestamp = DateTime(timezone=True)
"""A moment, aware of its zone."""

Json = JSONB()
"""A JSON value."""

Counter = BigInteger()
"""An integer that may pass two thousand million."""


def one_of(kind: type[StrEnum], length: int = 32) -> Enum:
    """Return a text column type that holds one of ``kind``'s values and reads back as that enum.

    Text instead of a PostgreSQL enum, so that adding a value needs no change of type.
    """
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda enum: [e.value for e in enum],
    )
