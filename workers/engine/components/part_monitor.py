"""The door of a component that shares its stack with others."""

from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import resource_pb2

from workers.engine.components.monitor import STACK, Monitor


class PartMonitor(Monitor):
    """Answers as ``Monitor`` does, but for the stack: there is one already, and its outputs are the program's.

    ``stack`` is the URN of the stack, ``needs`` are those of what the component's inputs come from: everything that it
    makes depends on them, so that it goes before they do.
    """

    def __init__(
        self, real: Any, providers: Collection[str], stack: str, needs: Sequence[str] = (), most: int = 2000
    ) -> None:
        super().__init__(real, providers, most)
        self._stack = stack
        self._needs = needs
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
        self.outputs.CopyFrom(request.outputs)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Wait for nothing: the program goes on when this component has come to its end."""
        del request, context
        return empty_pb2.Empty()

    def _completed(self, made: Any) -> Any:
        """Add what the component's inputs come from to what a resource depends on."""
        if made.custom:
            made.dependencies.extend(sorted(set(self._needs).difference(made.dependencies)))
        return made
