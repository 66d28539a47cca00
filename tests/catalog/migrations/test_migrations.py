"""Migrations go up from nothing, down, and up again, and say the same as the table classes."""

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from catalog import migrate
from workers.embedded.postgres import DatabaseUrls


def tables(url: str) -> list[str]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        rows = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"))
        return [row[0] for row in rows if row[0] != "alembic_version"]


def test_down_and_up_again(database_urls: DatabaseUrls) -> None:
    before = tables(database_urls.owner)
    assert "environments" in before
    migrate.downgrade(database_urls.owner, "base")
    assert tables(database_urls.owner) == []
    assert migrate.current(database_urls.owner) is None
    migrate.upgrade(database_urls.owner)
    assert tables(database_urls.owner) == before
    assert migrate.current(database_urls.owner) == migrate.newest()


def test_upgrading_twice_changes_nothing(database_urls: DatabaseUrls) -> None:
    migrate.upgrade(database_urls.owner)
    migrate.upgrade(database_urls.owner)


def test_tables_are_what_the_classes_say(database_urls: DatabaseUrls) -> None:
    migrate.check(database_urls.owner)
