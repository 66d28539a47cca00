"""The rules about sources that no linter knows: sizes, places, and what may be called where."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("portal", "catalog", "workers")
LINES, FUNCTION_LINES, TEST_LINES = 400, 60, 600


def tracked(*folders: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--", *(f"{folder}/**/*.py" for folder in folders)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


SOURCES = tracked(*PACKAGES)
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]


@cache
def attributes(path: Path) -> frozenset[tuple[str, str]]:
    """Return every ``owner.name`` that a file writes, which is asked for again and again."""
    return frozenset(
        (node.value.id, node.attr)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    )


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text()))


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 100


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_sizes_and_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert len(path.read_text().splitlines()) <= LINES
    docstring = ast.get_docstring(tree)
    assert docstring, "a module says in one sentence what it is"
    assert docstring.splitlines()[0].rstrip().endswith((".", ":")), "the first line is a sentence"
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", tracked("tests"), ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes_of_tests(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= TEST_LINES


def calls(path: Path, owner: str, name: str) -> bool:
    return (owner, name) in attributes(path)


@pytest.mark.parametrize(
    ("owner", "name", "places"),
    [
        ("datetime", "now", {"catalog/clock.py"}),
        ("datetime", "utcnow", set()),
        ("os", "getenv", set()),
        # The launcher stands between the process host and an application; the sample is an application itself.
        (
            "os",
            "environ",
            {"catalog/settings.py", "workers/process_host/launch.py", "portal/cli/sample_app/main/app.py"},
        ),
    ],
)
def test_some_calls_have_one_place(owner: str, name: str, places: set[str]) -> None:
    found = {str(path.relative_to(ROOT)) for path in SOURCES if calls(path, owner, name)}
    assert found - places == set()


def test_selects_are_in_queries() -> None:
    """Reads of tables stand in the areas' queries modules (and in the modules of a query package)."""
    offenders = []
    for path in tracked("catalog"):
        if path.stem == "queries" or "queries" in path.parts or path.parts[-2] == "catalog":
            continue
        if any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "select"
            for node in nodes(path)
        ):
            offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []
