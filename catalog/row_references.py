"""Which digests the rows of a tenant name, whatever column or document they stand in: what may not be thrown away."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlmodel import Session

NEVER = frozenset({"sbom_packages"})
"""Tables of very many rows that name no blob."""
_TABLES = (
    "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id'"
)
_DIGESTS = "SELECT DISTINCT found[1] FROM (SELECT regexp_matches(CAST(row_ AS text), '[0-9a-f]{64}', 'g') AS found FROM"


def digests_named(session: Session) -> Iterator[str]:
    """Yield every run of 64 hexadecimal digits in the rows that the session's tenant may see, table by table.

    That is more than the digests of blobs in use, on purpose: a column that is added tomorrow is looked into too.
    """
    for table in session.execute(text(_TABLES)).scalars().all():
        if table not in NEVER:
            # The names of tables are our own, never a caller's.
            yield from session.execute(text(f"{_DIGESTS} {table} AS row_) AS all_")).scalars()
