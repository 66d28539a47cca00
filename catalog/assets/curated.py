"""Where the curated assets lie, with which a fresh installation begins."""

from pathlib import Path

import catalog


def curated_folder() -> Path:
    """Return the folder of the curated assets: inside the installed distribution, or in the clone."""
    home = Path(catalog.__file__).resolve().parent
    installed = home / "_blueprints"
    return installed if installed.is_dir() else home.parent / "blueprints"
