"""The curated workflows for GitHub Actions, as actionlint reads them."""

import subprocess
from itertools import product
from pathlib import Path

import pytest

from catalog.settings import load_settings
from tests.blueprints import golden
from tests.blueprints.test_pipelines import EXAMPLES, LANGUAGES, given
from workers import toolchain


@pytest.fixture(scope="module")
def actionlint() -> Path:
    return toolchain.ensure(load_settings().tools_dir, toolchain.ACTIONLINT, print)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parents[1].name}-{path.name}")
def test_every_example_is_clean(actionlint: Path, example: Path, tmp_path: Path) -> None:
    _lint(actionlint, golden.rendered(example), tmp_path)


@pytest.mark.parametrize(("archetype", "language"), [*product(("microservice", "library", "worker"), LANGUAGES)])
def test_every_language_is_clean(actionlint: Path, archetype: str, language: str, tmp_path: Path) -> None:
    asset = golden.PIPELINES / archetype
    _lint(actionlint, golden.render(asset, {**given(archetype), "language": language}), tmp_path)


def test_it_would_find_a_mistake(actionlint: Path, tmp_path: Path) -> None:
    rendered = golden.rendered(EXAMPLES[0])
    path = next(each for each in rendered if each.startswith(".github/workflows/slipway-deliver"))
    rendered[path] = rendered[path].replace(b"steps.release.outputs.id", b"steps.relaese.outputs.id")
    with pytest.raises(AssertionError, match="relaese"):
        _lint(actionlint, rendered, tmp_path)


def _lint(actionlint: Path, rendered: dict[str, bytes], folder: Path) -> None:
    (folder / ".git").mkdir()
    for name, data in rendered.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    # Without the linters of shell and Python, which are there on some machines and not on others.
    command = [str(actionlint), "-no-color", "-shellcheck=", "-pyflakes="]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
