"""Listens to the engine's events: passes progress on, counts, and keeps the reasons of failures."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from pulumi.automation.events import DiagnosticEvent, EngineEvent, StepEventMetadata

from workers.engine import (
    ChangeSummary,
    EngineError,
    ErrorKind,
    GraphNode,
    PlannedChange,
    ProgressEvent,
    ProgressKind,
    ResourceOperation,
)
from workers.engine.state import name_of, node, type_of

OPERATIONS = {
    "same": ResourceOperation.SAME,
    "create": ResourceOperation.CREATE,
    "create-replacement": ResourceOperation.CREATE,
    "update": ResourceOperation.UPDATE,
    "delete": ResourceOperation.DELETE,
    "delete-replaced": ResourceOperation.DELETE,
    "discard-replaced": ResourceOperation.DELETE,
    "refresh": ResourceOperation.REFRESH,
}
REPLACEMENTS = frozenset({"create-replacement", "delete-replaced", "replace"})
_COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
# What the command puts before the reason that a plugin gave.
_NOISE = re.compile(r"^(error: |\s*(creating|updating|deleting|reading|refreshing) urn:\S+: |rpc error: .*? desc = )")
# How the command words what a plugin finds wrong with an input; it repeats the value, which may be a secret.
_INPUT = re.compile(
    r"^\S+ resource '[^']*'(?: has a problem)?: property (\S+) value .* has a problem: (.*)$", re.DOTALL
)


class Recorder:
    """Collects what one operation does; the engine calls `listen` from its own threads."""

    def __init__(self, emit: Callable[[ProgressEvent], None]) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._planned: dict[str, list[StepEventMetadata]] = {}
        self._shown: set[str] = set()
        self._done: Counter[ResourceOperation] = Counter()
        self._errors: list[tuple[str, str]] = []
        self.refreshed: dict[str, str] = {}

    def listen(self, event: EngineEvent) -> None:
        """Take one event of the engine."""
        with self._lock:
            if event.resource_pre_event:
                self._started(event.resource_pre_event.metadata)
            elif event.res_outputs_event:
                self._finished(event.res_outputs_event.metadata)
            elif event.res_op_failed_event:
                self._step(ProgressKind.RESOURCE_FAILED, event.res_op_failed_event.metadata)
            elif event.diagnostic_event:
                self._said(event.diagnostic_event)

    def summary(self) -> ChangeSummary:
        """Count the steps that were carried out."""
        return _summary(self._done)

    def plan(self) -> tuple[tuple[PlannedChange, ...], ChangeSummary]:
        """Return what a preview announced, a replacement as one change."""
        changes, counted = [], Counter[ResourceOperation]()
        for urn, steps in self._planned.items():
            counted.update(OPERATIONS[name] for name in _names(steps) if name in OPERATIONS)
            operation = _operation(steps)
            if operation is not None:
                changes.append(PlannedChange(urn, type_of(urn), name_of(urn), operation))
        return tuple(changes), _summary(counted)

    def graph(self) -> tuple[GraphNode, ...]:
        """Return every resource that a preview announced as it would be; one that goes, as it is."""
        found = []
        for urn, steps in self._planned.items():
            operation = _operation(steps)
            state = next((each.new for each in steps if each.new), None) or next((each.old for each in steps), None)
            if operation is not None and state is not None:
                inputs = dict(state.inputs or {})
                found.append(node(urn, operation, parent=state.parent, depends_on=(), inputs=inputs))
        return tuple(found)

    def failure(self, fallback: str) -> EngineError:
        """Return the reason why the operation failed."""
        about_resources = [item for item in self._errors if item[0] and not type_of(item[0]).startswith("pulumi:")]
        # Where a resource failed, the stack only repeats that something did.
        for urn, message in about_resources:
            return EngineError(ErrorKind.FAILED, message, resource=name_of(urn))
        messages = list(dict.fromkeys(message for _urn, message in self._errors if message))
        return EngineError(ErrorKind.FAILED, "; ".join(messages) or fallback)

    def _started(self, metadata: StepEventMetadata) -> None:
        if not _is_own(metadata):
            self._planned.setdefault(metadata.urn, []).append(metadata)
            if OPERATIONS.get(str(metadata.op.value)) not in (None, ResourceOperation.SAME):
                self._shown.add(metadata.urn)
                self._step(ProgressKind.RESOURCE_STARTED, metadata)

    def _finished(self, metadata: StepEventMetadata) -> None:
        if _is_own(metadata):
            return
        operation = OPERATIONS.get(str(metadata.op.value))
        self.refreshed[metadata.urn] = str(metadata.op.value)
        if operation is not None:
            self._done[operation] += 1
            if metadata.urn in self._shown:
                self._step(ProgressKind.RESOURCE_FINISHED, metadata)

    def _step(self, kind: ProgressKind, metadata: StepEventMetadata) -> None:
        operation = OPERATIONS.get(str(metadata.op.value))
        name, of_type = name_of(metadata.urn), type_of(metadata.urn)
        self._emit(ProgressEvent(kind, name, of_type, str(operation.value if operation else metadata.op.value)))

    def _said(self, event: DiagnosticEvent) -> None:
        message = readable(event.message)
        if not message or event.ephemeral:
            return
        if event.severity == "error":
            self._errors.append((event.urn or "", message))
        if event.severity in ("error", "warning", "info"):
            name = name_of(event.urn) if event.urn else ""
            self._emit(ProgressEvent(ProgressKind.LOG, name=name, operation=event.severity, message=message))


def readable(text: str) -> str:
    """Return a message without colours and without what the command puts around a reason."""
    clean, before = _COLOUR.sub("", text).strip(), ""
    while clean != before:
        before, clean = clean, _NOISE.sub("", clean).strip()
    return _INPUT.sub(r"\1: \2", clean)


def _names(steps: Sequence[StepEventMetadata]) -> set[str]:
    return {str(step.op.value) for step in steps}


def _operation(steps: Sequence[StepEventMetadata]) -> ResourceOperation | None:
    """Return what happens to one resource; the steps of a replacement are one."""
    names = _names(steps)
    return ResourceOperation.REPLACE if names & REPLACEMENTS else OPERATIONS.get(min(names))


def _is_own(metadata: StepEventMetadata) -> bool:
    """Say whether a step is about the stack or a provider, which nobody asked for."""
    return metadata.type.startswith("pulumi:")


def _summary(counted: Counter[ResourceOperation]) -> ChangeSummary:
    return ChangeSummary(
        create=counted[ResourceOperation.CREATE],
        update=counted[ResourceOperation.UPDATE],
        delete=counted[ResourceOperation.DELETE],
        same=counted[ResourceOperation.SAME],
    )
