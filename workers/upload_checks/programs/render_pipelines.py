"""Run inside the sandbox: render a pipeline template's examples, and print what is wrong with them as JSON.

Usage: ``python -I render_pipelines.py``, with the name of the task's file as the line of input; the working folder
holds it (``targets``, ``asset``, ``examples``: name, inputs, has_expected) and the package's own files.
"""

import json
import sys
from pathlib import Path

# The folder that holds the import package ``catalog``; imported before there is a task, so that it may be done ahead.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from catalog.assets.pipeline_checks import Example, Target, check_examples


def main(task_file: str) -> None:
    """Print the findings."""
    task = json.loads(Path(task_file).read_text("utf-8"))
    here = Path()
    files = {str(path): path.read_bytes() for path in here.glob("content/**/*") if path.is_file()}
    examples = []
    for each in task["examples"]:
        folder = here / "examples" / each["name"] / "expected"
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        examples.append(Example(each["name"], each["inputs"], found if each["has_expected"] else None))
    targets = [Target(**each) for each in task["targets"]]
    findings = [finding.as_json() for finding in check_examples(files, targets, examples, task["asset"])]
    print(json.dumps(findings))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(sys.stdin.readline().strip())
