"""How Alembic reaches the database: as the owner, one caller at a time, with short lock waits."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog.db import METADATA
from catalog.discovery import modules

ADVISORY_LOCK = 7_461_150_273


def run() -> None:
    """Run the migrations online; several starting processes wait for each other on an advisory lock."""
    for _ in modules("slipway.events", depth=2):
        pass  # imports every catalog.*.models, so that METADATA is whole
    engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text("SET lock_timeout = '10s'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


run()
