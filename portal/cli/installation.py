"""The Slipway of this machine, for commands that work on it directly and not through its API."""

from pathlib import Path

import click
from pydantic import ValidationError

from catalog import running
from catalog.settings import Settings, load_settings
from portal.cli.errors import CommandError, ExitCode, UnreachableError

START = "Start it with `make run` in the clone or with `slipway up`, or set SLIPWAY_DATABASE_URL."
# A clone keeps its data beside the code; in an installed distribution there is never anything at this place.
_OF_CLONE = Path(__file__).resolve().parents[2] / ".data"

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="The data directory (SLIPWAY_DATA)."
)


def local_settings(data: Path | None = None) -> Settings:
    """Return the settings of the environment where they name a database, else those of the Slipway that runs here.

    Raises ``CommandError`` where the settings are not valid, ``UnreachableError`` where no Slipway runs.
    """
    settings = environment_settings(data)
    if settings.database_url:
        return settings
    folders = [settings.data_dir]
    if "data_dir" not in settings.model_fields_set:
        folders.append(_OF_CLONE)
    for folder in folders:
        try:
            found = running.find(folder)
        except PermissionError:
            raise CommandError(
                f"Slipway in {folder} belongs to another user.", "Run the command as that user."
            ) from None
        if found is not None:
            return found
    raise UnreachableError(f"No Slipway runs on {' or '.join(map(str, folders))}.", START)


def environment_settings(data: Path | None = None) -> Settings:
    """Return what the environment says, ``data`` as the data directory; raise ``CommandError`` where it is wrong."""
    try:
        return load_settings() if data is None else Settings(data_dir=data.absolute())
    except ValidationError as error:
        problems = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        refused = CommandError("A setting is not valid.", details=problems)
        refused.exit_code = ExitCode.USAGE
        raise refused from None
