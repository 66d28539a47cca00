"""Three-way merges of files a second: whole trees as installs merge them, beside `git merge-file` in the same run.

    python -m tests.bench.bench_merge [FILES] [SECONDS]

Each tree has FILES files of 120 lines (default 10). ``git merge-file`` merges one file by one process, and neither
knows moved files nor says where both sides removed or added one. Times vary with the machine; the ratios do not.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from catalog.installs.files import File
from workers.installers.merging import merge, scratch, tree_of

LINES = 120


def _file(number: int, *, top: str = "name: build", end: str = "done") -> File:
    lines = [top, *(f"  step {number}.{line}: run" for line in range(LINES - 2)), end]
    return ("\n".join(lines) + "\n").encode(), False


def _rate(done: Callable[[], int], seconds: float) -> float:
    done()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        count += done()
    return count / (time.perf_counter() - started)


def main(files: int, seconds: float) -> None:
    """Print merges a second for each way, and how they compare."""
    last = {f"dir/{number}.yml": _file(number) for number in range(files)}
    new = {f"dir/{number}.yml": _file(number, top="name: newer") for number in range(files)}
    theirs = {f"dir/{number}.yml": _file(number, end="ours") for number in range(files)}
    clash = {f"dir/{number}.yml": _file(number, top="name: mine") for number in range(files)}
    found: dict[str, float] = {}
    with scratch() as mirror:
        trees = {name: tree_of(mirror, each) for name, each in (("none", last), ("both", theirs), ("same", clash))}

        def merged(tree: str) -> int:
            return len(merge(mirror, last, new, tree, "new"))

        for name, tree in trees.items():
            found[name] = _rate(partial(merged, tree), seconds)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("theirs", "last", "new")]
        for path, (content, _) in zip(paths, (theirs["dir/0.yml"], last["dir/0.yml"], new["dir/0.yml"]), strict=True):
            path.write_bytes(content)
        command = ["git", "merge-file", "-p", *map(str, paths)]

        def peer() -> int:
            subprocess.run(command, check=True, capture_output=True)
            return 1

        found["peer"] = _rate(peer, seconds)
    words = {
        "none": "the user changed nothing",
        "both": "both sides changed every file, elsewhere",
        "same": "both sides changed the same line of every file",
        "peer": "git merge-file, a process a file",
    }
    for name, rate in found.items():
        print(f"{words[name]:<48} {rate:9.0f} files/s   {rate / found['peer']:6.2f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, float(sys.argv[2]) if len(sys.argv) > 2 else 5.0)
