"""Migrations as functions: what ``slipway db`` and the first start call."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Bring the database at ``owner_url`` to ``revision``; several callers at once wait for each other."""
    command.upgrade(_config(owner_url), revision)


def downgrade(owner_url: str, revision: str) -> None:
    """Take the database at ``owner_url`` back to ``revision`` (``base`` empties it)."""
    command.downgrade(_config(owner_url), revision)


def current(owner_url: str) -> str | None:
    """Return the revision the database is at, None where it is empty."""
    engine = create_engine(owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Return the newest revision that this version of Slipway knows."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    if head is None:
        raise FileNotFoundError(f"There are no migrations in {_folder()}.")
    return head


def check(owner_url: str) -> None:
    """Raise ``alembic.util.CommandError`` where the tables differ from what the table classes say."""
    command.check(_config(owner_url))


def draft(owner_url: str, message: str) -> Path:
    """Write a migration that makes the tables what the table classes say, and return it, for a person to finish."""
    script = command.revision(_config(owner_url), message, autogenerate=True)
    if script is None or isinstance(script, list):
        raise FileNotFoundError("Alembic wrote no migration.")
    return Path(script.path)


def _config(owner_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")
    config.attributes["url"] = owner_url
    return config


def _folder() -> Path:
    here = Path(__file__).parent
    installed = here / "_migrations"
    return installed if installed.is_dir() else here.parent / "migrations"
