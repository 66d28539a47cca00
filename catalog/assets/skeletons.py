"""The files with which a new asset of each built-in kind begins."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

_TEMPLATE_SUFFIX = ".tmpl"  # keeps tools from taking a template for a source file of Slipway


def skeleton(kind: str, namespace: str, name: str) -> Mapping[str, bytes]:
    """Return the files of a new asset of a built-in kind, by path inside the package.

    In paths and texts ``@namespace@``, ``@name@``, ``@module@`` (the name as Python spells it) and ``@title@`` are
    replaced.
    """
    words = {
        "@namespace@": namespace,
        "@name@": name,
        "@module@": module_name(name),
        "@title@": name.replace("-", " ").capitalize(),
    }

    def filled(text: str) -> str:
        for mark, word in words.items():
            text = text.replace(mark, word)
        return text

    root = files("catalog.assets").joinpath("skeleton_files", kind)
    return {
        filled(path.removesuffix(_TEMPLATE_SUFFIX)): filled(text).encode()
        for path, text in sorted(_texts(root, "").items())
    }


def module_name(name: str) -> str:
    """Return an asset's name as Python and Rego spell names."""
    module = name.replace("-", "_")
    return module if module[0].isalpha() else f"m{module}"


def _texts(folder: Traversable, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            found |= _texts(entry, f"{path}/")
        else:
            found[path] = entry.read_text("utf-8")
    return found
