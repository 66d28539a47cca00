"""``slipway db``: migrations of the database of this machine's Slipway."""

from pathlib import Path

import click
from alembic.util import CommandError as AlembicError

from catalog import migrate
from portal.cli.errors import CommandError
from portal.cli.installation import data_option, local_settings
from portal.cli.local_database import reachable_database
from portal.cli.output import Output, json_option


@click.command("upgrade")
@data_option
@click.option("--revision", default="head", show_default=True, help="The revision to go to.")
def upgrade(data: Path | None, revision: str) -> None:
    """Bring the database to the newest revision.

    Several at once wait for each other, and one that has nothing to do changes nothing.
    """
    settings = local_settings(data)
    with reachable_database():
        try:
            migrate.upgrade(settings.owner_url, revision)
        except AlembicError as error:
            raise CommandError(f"The database cannot be upgraded: {error}") from None
        Output().line(f"The database is at {migrate.current(settings.owner_url)}.")


@click.command("current")
@data_option
@json_option
def current(data: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Say at which revision the database is, and which is the newest."""
    settings = local_settings(data)
    with reachable_database():
        found = {"current": migrate.current(settings.owner_url), "newest": migrate.newest()}
    output = Output(as_json=as_json)
    state = "the newest" if found["current"] == found["newest"] else f"the newest is {found['newest']}"
    output.result(found, lambda each: output.line(f"{each['current'] or 'empty'} ({state})"))


@click.command("check")
@data_option
def check(data: Path | None) -> None:
    """Fail where the database is not at the newest revision, or its tables differ from what Slipway needs."""
    settings = local_settings(data)
    with reachable_database():
        found, newest = migrate.current(settings.owner_url), migrate.newest()
        if found != newest:
            raise CommandError(
                f"The database is at {found or 'no revision'}, not at {newest}.", "Run `slipway db upgrade`."
            )
        try:
            migrate.check(settings.owner_url)
        except AlembicError as error:
            raise CommandError(f"The tables are not as they should be: {error}") from None
    Output().line(f"The database is at {newest}, and its tables are as they should be.")
