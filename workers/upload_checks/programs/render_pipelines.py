"""Run inside the sandbox: render a pipeline template's examples, and print what is wrong with them as JSON.

Usage: ``python -I render_pipelines.py ROOT``, where ROOT holds the import package ``catalog``; the working folder holds
``task.json`` (``targets``, ``asset``, ``examples``: name, inputs, has_expected) and the package's own files.
"""

import json
import sys
from pathlib import Path


def main(root: str) -> None:
    """Print the findings."""
    sys.path.insert(0, root)
    from catalog.assets.pipeline_checks import Example, Target, check_examples  # noqa: PLC0415  # found under ROOT

    task = json.loads(Path("task.json").read_text("utf-8"))
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
    main(sys.argv[1])
