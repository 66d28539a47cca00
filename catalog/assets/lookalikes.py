"""Names that people take for one another: one skeleton for all names that look alike."""

from collections.abc import Iterable

_LETTERS = str.maketrans({"i": "l", "1": "l", "0": "o", "-": None})
_PAIRS = (("rn", "m"), ("vv", "w"))


def skeleton(name: str) -> str:
    """Return what a name looks like at a glance: names of one skeleton are easily taken for one another.

    Names hold lower-case letters, digits and dashes only, so what is left is ``1``, ``l`` and ``i``, ``0`` and ``o``,
    ``rn`` and ``m``, ``vv`` and ``w``, and dashes: what PyPI compares, and two pairs.
    """
    text = name.lower().translate(_LETTERS)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text


def looking_like(name: str, others: Iterable[str]) -> list[str]:
    """Return those of ``others`` that look like ``name`` and are not it."""
    wanted = skeleton(name)
    return sorted(other for other in others if other != name and skeleton(other) == wanted)
