"""Folders are removed however deep they go, and what links in them lead to is not."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from workers.process_host.isolation import Isolation, Isolator
from workers.removal import remove_folder

_DEEP = """
import os, sys
for _ in range(3000):
    os.mkdir("deeper"); os.symlink(sys.argv[1], "link"); open("file", "w").close(); os.chdir("deeper")
"""


def _fill(folder: Path, theirs: Path) -> None:
    folder.mkdir(parents=True)
    theirs.mkdir()
    (theirs / "kept").touch()
    subprocess.run([sys.executable, "-c", _DEEP, str(theirs)], cwd=folder, check=True)


def test_a_folder_of_any_depth_is_removed(tmp_path: Path) -> None:
    _fill(tmp_path / "deep", tmp_path / "theirs")
    remove_folder(tmp_path / "deep")
    assert not (tmp_path / "deep").exists()
    assert (tmp_path / "theirs" / "kept").exists()
    remove_folder(tmp_path / "deep")


def test_the_process_host_forgets_a_home_of_any_depth(tmp_path: Path) -> None:
    environment = str(uuid4())
    home = tmp_path / "processes" / "homes" / environment
    _fill(home, tmp_path / "theirs")
    Isolator(tmp_path, Isolation.USER, cast("Any", None)).forget(environment)
    assert not home.exists()
