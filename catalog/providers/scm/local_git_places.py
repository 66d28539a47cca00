"""Where repositories on this machine may be, and whether all that git would read of one lies there."""

from collections.abc import Iterator
from pathlib import Path

from catalog.providers.scm.errors import RepositoryNotFoundError
from catalog.settings import Settings


def place_of(repository: str, settings: Settings) -> Path:
    """Return the real absolute path of a repository; one outside the allowed roots does not exist."""
    try:
        path = Path(repository.removeprefix("file://")).expanduser().resolve()
        may_read = all(_may_read(each, settings) for each in (path, *_parts(path)))
    except (OSError, ValueError, RuntimeError):  # a name that is none, a loop of links, an unknown user
        may_read = False
    if not may_read:
        # Where links lead is not told: it would show what lies outside those folders.
        raise RepositoryNotFoundError(
            f"There is no Git repository at {repository}, or it is outside the folders that Slipway may read."
        )
    return path


def demo_repositories(settings: Settings) -> Path:
    """Return where sample repositories are kept: the one part of the data directory that holds source code."""
    return settings.data_dir / "demo" / "repositories"


def _may_read(path: Path, settings: Settings) -> bool:
    if path.is_relative_to(demo_repositories(settings).resolve()):
        return True
    allowed = any(path.is_relative_to(root.resolve()) for root in settings.local_repository_roots)
    return allowed and not path.is_relative_to(settings.data_dir.resolve())


def _parts(path: Path) -> Iterator[Path]:
    """Yield the real places of all that git would read of a repository; raise ``FileNotFoundError`` where none is.

    A file ``.git``, a link or a list of alternate objects may lead into repositories that are not meant to be read.
    """
    directory = path / ".git" if (path / ".git").exists() else path
    if directory.is_file():
        directory = path / directory.read_text("utf-8").removeprefix("gitdir:").strip()
    if not (directory / "HEAD").is_file():
        raise FileNotFoundError(directory)
    common = directory / "commondir"
    shared = directory / common.read_text("utf-8").strip() if common.exists() else directory
    waiting, seen = [(shared / "objects").resolve(strict=True)], set[Path]()
    yield from (directory.resolve(), shared.resolve(), (shared / "refs").resolve())
    while waiting:
        objects = waiting.pop()
        if objects in seen:
            continue
        seen.add(objects)
        yield objects
        for folder in (objects, objects / "pack"):
            yield from (each.resolve() for each in folder.glob("*") if each.is_symlink())
        alternates = objects / "info" / "alternates"
        if alternates.exists():
            lines = alternates.read_text("utf-8").splitlines()
            waiting += [(objects / line).resolve() for line in lines if line and not line.startswith("#")]
