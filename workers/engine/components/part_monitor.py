"""The door of a component that shares its stack with others."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import resource_pb2

from workers.engine import ProgramResource, processes_of
from workers.engine.components.foreseen import outputs_entry
from workers.engine.components.monitor import STACK, Monitor

PROCESS = "slipway:local:Process"
_OWN = frozenset({"command", "env", "health", "limits"})
"""What a component may say of its processes; the rest is not its own."""
_ANYTHING = "${part.value}"
ROOM = {"memory_mb": 1024, "processes": 256}
"""What all processes of one part have together: what is counted for it among the environments of a tenant."""
EACH = {"open_files": 65_536, "file_size_mb": 65_536}
"""What each of them has of the rest, at most."""
Declare = Callable[[ProgramResource], None]


@dataclass(frozen=True)
class Processes:
    """What a component may run: processes of its environment, called after ``part``.

    What stands between its name and theirs is in no component's name, so that each process is of one part alone, and
    none is called as a service is; ``taken`` are names of what is there already. ``fixed`` is what every one of them
    gets, None for what is not known yet, ``needs`` the URNs of what that comes from. ``declare`` is told of each.
    """

    part: str
    fixed: Mapping[str, str | None]
    needs: Sequence[str]
    declare: Declare
    taken: frozenset[str] = frozenset()


class PartMonitor(Monitor):
    """Answers as ``Monitor`` does, but for the stack: there is one already, and its outputs are the program's.

    ``stack`` is the URN of the stack, ``needs`` are those of what the component's inputs come from: everything that it
    makes depends on them, so that it goes before they do.
    """

    def __init__(
        self,
        real: Any,
        providers: Collection[str],
        stack: str,
        needs: Sequence[str] = (),
        processes: Processes | None = None,
        foreseen: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(real, providers, foreseen=foreseen)
        self._stack = stack
        self._needs = needs
        self._processes = processes
        self._room = dict(ROOM)
        self.outputs = struct_pb2.Struct()
        """What the component tells."""
        self.made: list[str] = []
        """The URNs of the resources that it made."""

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Make a resource of a provider that may be used, or a component; the stack is there."""
        if request.type == STACK and not request.custom:
            self._count(context)
            return resource_pb2.RegisterResourceResponse(urn=self._stack)
        answer = super().RegisterResource(request, context)
        if request.custom:
            self.made.append(answer.urn)
        return answer

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Tell the outputs of a component; those of the stack are what this one tells to the program."""
        if request.urn != self._stack:
            return super().RegisterResourceOutputs(request, context)
        self._count(context)
        self._hold_to_texts(request.outputs, context)
        # Others take them, and policies were shown what those would be made with.
        self._hold_to_foreseen(outputs_entry(STACK, request.outputs), context)
        self.outputs.CopyFrom(request.outputs)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Wait for nothing: the program goes on when this component has come to its end."""
        del request, context
        return empty_pb2.Empty()

    def _hold_to_types(self, request: Any, context: Any) -> None:
        if self._processes is None or request.type != PROCESS or not request.custom:
            super()._hold_to_types(request, context)
            return
        mark = processes_of(self._processes.part)
        if not request.name.startswith(mark) or request.name in self._processes.taken:
            self._refuse(context, f"{request.name} has to be called {mark}NAME, and as no other process")
        if request.provider or request.providers or request.version:
            self._refuse(context, f"{request.name} names a provider, and there is one for processes")
        if unknown := sorted(request.object.fields.keys() - _OWN):
            self._refuse(context, f"{request.name} sets {unknown[0][:100]}, which components may not set of a process")
        self._take_room(request, context)

    def _take_room(self, request: Any, context: Any) -> None:
        """Give a process its share of the part's room; one that does not say how much gets what is left."""
        limits = request.object.fields["limits"]
        # What is secret or not known yet could turn out to be anything.
        if limits.WhichOneof("kind") not in {None, "struct_value"} or any(
            name not in {*ROOM, *EACH} or each.WhichOneof("kind") != "number_value"
            for name, each in limits.struct_value.fields.items()
        ):
            self._refuse(context, f"the limits of {request.name} have to be numbers: {', '.join([*ROOM, *EACH])}")
        asked = limits.struct_value.fields
        for name, most in EACH.items():
            if name in asked and not 1 <= asked[name].number_value <= most:
                self._refuse(context, f"limits.{name} of {request.name} has to be 1 to {most}")
        with self._lock:
            shares = {name: asked[name].number_value if name in asked else left for name, left in self._room.items()}
            short = [name for name, left in self._room.items() if not 1 <= shares[name] <= left]
            if not short:
                self._room = {name: left - shares[name] for name, left in self._room.items()}
        if short:
            told = f"of the {ROOM[short[0]]} that all its processes have, {self._room[short[0]]:.0f} are left"
            self._refuse(context, f"limits.{short[0]} of {request.name} does not fit: {told}")
        for name, share in shares.items():
            asked[name].number_value = share

    def _may_be_parent(self, urn: str) -> bool:
        return urn == self._stack or super()._may_be_parent(urn)

    def _completed(self, made: Any) -> Any:
        """Add what the component's inputs come from to what a resource depends on, and nothing outlives its stack."""
        made.ClearField("protect")
        needs = set(self._needs) if made.custom else set()
        if made.type == PROCESS and self._processes is not None:
            needs |= set(self._processes.needs)
            self._processes.declare(_declared(made, self._processes))
        made.dependencies.extend(sorted(needs.difference(made.dependencies)))
        return made


def _declared(made: Any, processes: Processes) -> ProgramResource:
    """Write into a request what is not the component's own; return what the plugin is to know of it."""
    fixed = {**processes.fixed, "name": made.name}
    # What may be a secret, or known later, is not compared.
    inputs: dict[str, Any] = dict.fromkeys(made.object.fields, _ANYTHING)
    if made.object.fields["command"].WhichOneof("kind") == "string_value":
        inputs["command"] = made.object.fields["command"].string_value.replace("${", "$${")
    for name, value in fixed.items():
        made.object.fields[name].string_value = rpc.UNKNOWN if value is None else value
        inputs[name] = _ANYTHING if value is None else value.replace("${", "$${")
    return ProgramResource(made.name, PROCESS, inputs)
