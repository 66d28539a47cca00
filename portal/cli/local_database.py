"""The database of this machine's Slipway, opened by commands of whoever runs the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from catalog.db import Database
from catalog.settings import Settings
from portal.cli.errors import UnreachableError
from portal.cli.installation import START


@contextmanager
def reachable_database() -> Iterator[None]:
    """Turn a database that does not answer into ``UnreachableError``."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()
        raise UnreachableError(f"The database does not answer: {reason[0] if reason else error}", START) from None


@contextmanager
def local_database(settings: Settings) -> Iterator[Database]:
    """Open the database of ``settings`` and close it afterwards."""
    with reachable_database():
        database = Database(settings)
        try:
            yield database
        finally:
            database.close()
