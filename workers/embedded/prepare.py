"""``python -m workers.embedded.prepare``: bring the database up to date and print a one-time sign-in link.

A child of the supervisor, which itself has no connection to anything.
"""

import sys

from catalog import migrate
from catalog.db import Database
from catalog.settings import load_settings
from catalog.tenants import bootstrap


def main() -> None:
    """Migrate as the owner of the tables, then make the link as the application."""
    settings = load_settings()
    migrate.upgrade(settings.owner_url)
    database = Database(settings)
    try:
        sys.stdout.write(f"{bootstrap.sign_in_link(database, settings.base_url)}\n")
    finally:
        database.close()


if __name__ == "__main__":
    main()
