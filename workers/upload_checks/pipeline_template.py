"""The check of pipeline templates: every example is rendered and held against its golden files and the schemas."""

import json
from dataclasses import asdict
from pathlib import Path

import catalog
from catalog.assets.findings import Finding
from catalog.assets.package import Package
from catalog.assets.pipeline_examples import content_of, examples_of, targets_of
from workers.sandbox import MIB, SandboxLimits, Task
from workers.upload_checks import Bench, Result, answer, program, read_findings

_LIMITS = SandboxLimits(
    wall_seconds=60, cpu_seconds=20, memory_bytes=512 * MIB, output_bytes=2 * MIB, file_bytes=32 * MIB, processes=8
)
_TASK = "task.json"
_CATALOG = Path(catalog.__file__).resolve().parent


class PipelineTemplateCheck:
    """The check of the kind ``pipeline-template``."""

    name = "pipeline-template"

    def check(self, package: Package, bench: Bench) -> Result:
        """Render every example of every target, and look at what comes out."""
        bench.step("render")
        examples, findings = examples_of(package)
        if findings:
            return Result(findings)
        task = {
            "targets": [asdict(each) for each in targets_of(package)],
            "asset": package.document.value["metadata"],
            "examples": [
                {"name": each.name, "inputs": each.inputs, "has_expected": each.expected is not None}
                for each in examples
            ],
        }
        files = {_TASK: json.dumps(task).encode(), **content_of(package)}
        for each in examples:
            folder = f"examples/{each.name}/expected"
            files |= {f"{folder}/{name}": data for name, data in (each.expected or {}).items()}
        source = program("render_pipelines")
        command = ["python", "-I", str(source)]
        outcome = bench.run(Task(command, files=files, readable=(source, _CATALOG), line=_TASK, limits=_LIMITS))
        document = answer(outcome)
        if document is None:
            reason = outcome.reason(_LIMITS) or "it gave no answer"
            message = f"The templates cannot be rendered: {reason}."
            return Result([Finding("render", "content", None, message, "Look for a loop or a value that grows.")])
        return Result(read_findings(document))


CHECK = PipelineTemplateCheck()
