"""The files with which a new asset of each built-in kind begins."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

_NAMESPACE = "@namespace@"
_NAME = "@name@"
_TITLE = "@title@"


def skeleton(kind: str, namespace: str, name: str) -> Mapping[str, str]:
    """Return the files of a new asset of a built-in kind, by path inside the package."""
    title = name.replace("-", " ").capitalize()

    def filled(text: str) -> str:
        return text.replace(_NAMESPACE, namespace).replace(_NAME, name).replace(_TITLE, title)

    root = files("catalog.assets").joinpath("skeleton_files", kind)
    return {filled(path): filled(text) for path, text in sorted(_texts(root, "").items())}


def _texts(folder: Traversable, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found |= _texts(entry, f"{path}/")
        else:
            found[path] = entry.read_text("utf-8")
    return found
