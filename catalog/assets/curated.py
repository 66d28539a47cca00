"""Where the curated assets lie, with which a fresh installation begins: as folders, and packed by a build."""

from pathlib import Path

import catalog
from catalog.settings import Settings


def curated_folder() -> Path:
    """Return the folder of the curated assets: inside the installed distribution, or in the clone."""
    home = Path(catalog.__file__).resolve().parent
    installed = home / "_blueprints"
    return installed if installed.is_dir() else home.parent / "blueprints"


def packed_folder(settings: Settings) -> Path:
    """Return where a build leaves the packed curated assets with what is signed about them; nothing may be there."""
    return settings.curated_dir or Path(catalog.__file__).resolve().parent.parent / "build" / "curated"
