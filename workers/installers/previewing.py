"""What an engine would do, looked at before a plan is applied: the preview that plans and policies see."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from catalog.policies.masking import MASKED
from catalog.stacks.graph import GraphResource, GraphSource, read_graph, resource_graph
from catalog.stacks.models import Stack
from workers.engine import EngineError, ErrorKind, GraphNode, StackRequest
from workers.installers import Bench, InstallRefusedError
from workers.runtime.worker import Interrupted


def previewed(
    bench: Bench,
    request: StackRequest,
    *,
    revision: str = "",
    outputs: Sequence[str] = (),
    secrets: Iterable[str] = (),
) -> dict[str, Any] | None:
    """Return what the engine says an operation would do: how many resources, which, and with what inputs.

    It is the same for the same program and state, holds no secret, and takes ``install_preview_seconds`` at most; 0
    turns previews off, and None is returned. Raises ``InstallRefusedError`` where the engine would refuse the program.
    """
    if bench.engine is None or bench.settings.install_preview_seconds == 0:
        return None
    hidden = tuple(secrets)
    try:
        result = bench.engine().preview(request, should_stop=bench.should_stop)
    except EngineError as error:
        if error.kind is ErrorKind.CANCELLED:
            raise Interrupted(concealed(error.message, hidden)) from None
        said = reason(error, hidden)
        if error.kind is ErrorKind.FAILED:
            raise InstallRefusedError(f"The engine would refuse this{said}") from None
        return {"problem": f"The engine could not look ahead{said}"}
    return {**_kept(bench, result.graph, revision, outputs, hidden), "summary": asdict(result.summary)}


def reason(error: EngineError, secrets: Iterable[str]) -> str:
    """Return why an engine stopped, and at which resource, as the end of a sentence, without secrets."""
    where = f" ({error.resource})" if error.resource else ""
    return concealed(f"{where}: {error.message}.", secrets)


def concealed(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every secret in it masked, those first that others are part of."""
    for each in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(each, MASKED)
    return text


def concealed_in(value: Any, secrets: Iterable[str]) -> Any:
    """Return JSON data with every secret in its texts masked."""
    hidden = tuple(secrets)
    if isinstance(value, str):
        return concealed(value, hidden)
    if isinstance(value, Mapping):
        return {name: concealed_in(each, hidden) for name, each in value.items()}
    return [concealed_in(each, hidden) for each in value] if isinstance(value, list | tuple) else value


def removal(bench: Bench, stack: Stack | None) -> dict[str, Any] | None:
    """Return what would go with a stack, by what its last operation left; None where there is none."""
    known = None if stack is None else read_graph(stack.graph)
    if known is None:
        return None
    gone = [each.model_copy(update={"operation": "delete", "inputs": {}}) for each in known.resources]
    summary = {"create": 0, "update": 0, "delete": len(gone), "same": 0}
    graph = resource_graph(GraphSource.PREVIEW, gone, masks=bench.settings.policy_masks)
    return {**graph.model_dump(mode="json", exclude={"at"}), "summary": summary}


def graph_resources(nodes: Iterable[GraphNode]) -> list[GraphResource]:
    """Return what an engine reports of resources in the shape in which it is kept."""
    return [GraphResource(**{**asdict(each), "operation": str(each.operation)}) for each in nodes]


def _kept(
    bench: Bench, nodes: Sequence[GraphNode], revision: str, outputs: Sequence[str], secrets: Iterable[str]
) -> dict[str, Any]:
    ordered = sorted(nodes, key=lambda each: (each.type, each.name))
    graph = resource_graph(
        GraphSource.PREVIEW,
        graph_resources(ordered),
        revision=revision,
        outputs=outputs,
        masks=bench.settings.policy_masks,
        secrets=secrets,
    )
    # When it was looked at is the plan's own time, and no part of what the plan's digest stands for.
    return graph.model_dump(mode="json", exclude={"at"})
