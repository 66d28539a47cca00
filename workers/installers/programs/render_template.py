"""Run inside the sandbox: render a pipeline template from an install's inputs, and print the files as JSON.

Usage: ``python -I render_template.py``, with the name of the task's file as the line of input; the working folder
holds it (``targets``, ``asset``, ``inputs``, ``executable``) and the package's own files.
"""

import base64
import json
import sys
from pathlib import Path

# The folder that holds the import package ``catalog``; imported before there is a task, so that it may be done ahead.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from catalog.assets.pipeline_checks import Example, Target, render_example


def main(task_file: str) -> None:
    """Print ``files`` (path, data in base64, executable or not) and ``findings``."""
    task = json.loads(Path(task_file).read_text("utf-8"))
    here = Path()
    content = {str(path): path.read_bytes() for path in here.glob("content/**/*") if path.is_file()}
    targets = [Target(**each) for each in task["targets"]]
    rendered, findings = render_example(content, targets, Example("", task["inputs"], None), task["asset"])
    executable = set(task["executable"])
    files = {
        name: {"data": base64.b64encode(data).decode(), "x": path in executable}
        for name, (data, path, _) in rendered.items()
    }
    print(json.dumps({"files": files, "findings": [each.as_json() for each in findings]}))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(sys.stdin.readline().strip())
