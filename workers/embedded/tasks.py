"""Short errands of the supervisor that need the domain, each in a child: ``python -m workers.embedded.tasks NAME``."""

import argparse
import sys

from catalog import migrate
from catalog.db import Database
from catalog.settings import Settings, load_settings
from catalog.tenants import bootstrap


def _migrate(settings: Settings) -> None:
    migrate.upgrade(settings.owner_url)


def _sign_in_link(settings: Settings) -> None:
    database = Database(settings)
    try:
        sys.stdout.write(f"{bootstrap.sign_in_link(database, settings.base_url)}\n")
    finally:
        database.close()


ERRANDS = {"migrate": _migrate, "sign-in-link": _sign_in_link}


def main() -> None:
    """Run the errand that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m workers.embedded.tasks", description=__doc__)
    parser.add_argument("errand", choices=ERRANDS)
    ERRANDS[parser.parse_args().errand](load_settings())


if __name__ == "__main__":
    main()
