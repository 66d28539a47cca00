"""Discovery by entry point: a new file in a built-in package, or one line in a stranger's distribution, is enough."""

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


class DiscoveryError(RuntimeError):
    """A plug-in lacks its conventional name, has the wrong type, or claims a key that is taken."""


def modules(group: str, depth: int = 1) -> Iterator[ModuleType]:
    """Import and yield every module that the entry points of ``group`` name.

    An entry point that names a package stands for its modules, down to ``depth`` levels below it; one that names
    a module stands for itself. Import errors are not caught: a broken plug-in must stop the process, by name.
    """
    for entry_point in sorted(_entry_points(group), key=lambda each: (each.name != "builtin", each.name)):
        root = import_module(entry_point.module)
        yield root
        if hasattr(root, "__path__"):
            yield from _walk(root, depth)


@cache
def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    # What is installed stays so while a process runs, and finding it reads the metadata of every distribution.
    return tuple(entry_points(group=group))


def _walk(package: ModuleType, depth: int) -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(package.__path__, f"{package.__name__}."), key=lambda each: each.name):
        if found.name.rpartition(".")[2].startswith("_"):
            continue
        if found.ispkg and depth > 1:
            yield from _walk(import_module(found.name), depth - 1)
        elif not found.ispkg:
            yield import_module(found.name)


def discover(group: str, attribute: str, expected: type[T], key: str = "name") -> dict[str, T]:
    """Return every object called ``attribute`` in the modules of ``group``, by its ``key`` attribute.

    A module of a built-in package need not define ``attribute`` (it may be part of one that does); a module that
    an entry point names directly must. ``expected`` may be a class or a runtime-checkable protocol.
    """
    found: dict[str, T] = {}
    origin: dict[str, str] = {}
    for module in modules(group):
        candidate = getattr(module, attribute, None)
        if candidate is None:
            if _named_directly(group, module):
                raise DiscoveryError(f"{module.__name__} is named in the group {group} but defines no {attribute}")
            continue
        if not isinstance(candidate, expected):
            raise DiscoveryError(f"{module.__name__}.{attribute} is not a {expected.__name__}")
        name = str(getattr(candidate, key))
        if name in found and found[name] is not candidate:
            raise DiscoveryError(f"{module.__name__}.{attribute} claims {name!r}, which {origin[name]} has")
        found[name] = candidate
        origin[name] = module.__name__
    return found


def _named_directly(group: str, module: ModuleType) -> bool:
    is_package = hasattr(module, "__path__")
    return not is_package and any(each.module == module.__name__ for each in _entry_points(group))
