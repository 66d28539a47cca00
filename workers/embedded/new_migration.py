"""``make migration NAME="..."``: draft a migration against an empty database that the existing ones have filled."""

import argparse
import sys
import tempfile
from pathlib import Path

from catalog import migrate
from workers.embedded.postgres import EmbeddedPostgres


def main() -> int:
    """Write the draft and say where it is."""
    parser = argparse.ArgumentParser(prog="make migration", description=__doc__)
    parser.add_argument("name", help="what the migration does, in a few words")
    name = parser.parse_args().name
    with tempfile.TemporaryDirectory(prefix="slipway-migration-") as folder:
        postgres = EmbeddedPostgres(Path(folder), Path(folder, "run"), durable=False)
        postgres.start()
        try:
            postgres.wait_ready()
            migrate.upgrade(postgres.urls().owner)
            path = migrate.draft(postgres.urls().owner, name)
        finally:
            postgres.stop()
    sys.stdout.write(f"{path}\nRead it, finish it (policies, grants, data), and run: make test ARGS='-k migration'\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
