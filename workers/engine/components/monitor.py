"""The door between a publisher's component and the engine's resource monitor: what is not known to be harmless is shut.

A request is not passed on but written anew, with the fields named here alone. What is shut out, and why: plugins from
elsewhere (an address to download a program from), packages and components of other hosts (``remote``), callbacks of
any sort (addresses that the engine would call), imports and aliases (resources that are not the component's), resources
that outlive their stack, files of the machine as assets, providers that run commands, other stacks' outputs, what has a
provider read the worker's files, identity or network (``provider_settings``), and what belongs to whoever else makes
resources in the stack: providers, parents (children inherit their providers) and outputs.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from workers.engine.components.foreseen import entry, is_among, left_out
from workers.engine.components.provider_settings import wrong_setting

STACK = "pulumi:pulumi:Stack"
_PROVIDER = "pulumi:providers:"
_FEATURES = frozenset({"secrets", "resourceReferences", "outputValues"})
_REGISTERED = frozenset(
    {
        "type", "name", "parent", "custom", "object", "protect", "dependencies", "provider", "propertyDependencies",
        "deleteBeforeReplace", "deleteBeforeReplaceDefined", "version", "ignoreChanges", "acceptSecrets",
        "additionalSecretOutputs", "customTimeouts", "supportsPartialValues", "acceptResources", "providers",
        "replaceOnChanges", "supportsResultReporting",
    }
)  # fmt: skip
_REFUSED = ("remote", "importId", "pluginDownloadURL", "pluginChecksums", "packageRef", "transforms", "hooks")
_INVOKED = ("tok", "args", "provider", "version", "acceptResources")
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_ASSETS = frozenset({"c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"})
"""How the protocol marks an asset and an archive ("Pulumi resource model", special signatures)."""


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Answers a component as the engine's monitor does, within bounds; ``providers`` are the packages it may use.

    With ``foreseen`` nothing is made that is not among it.
    """

    def __init__(
        self,
        real: Any,
        providers: Collection[str],
        most: int = 2000,
        foreseen: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._real = real
        self._providers = frozenset(providers)
        self._left = most
        self._lock = threading.Lock()
        self._own: dict[str, str] = {}
        """The types of what was registered through this door, by URN; "" for components."""
        self._foreseen = foreseen
        self.shown: list[dict[str, Any]] = []
        """What it made, or showed that it would."""
        self.refused = ""
        """Why something was refused first, "" where nothing was."""

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Offer what the door lets through."""
        del context
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Make a resource of a provider that may be used, or a component."""
        self._count(context)
        for name in _REFUSED:
            if _is_given(getattr(request, name)):
                self._refuse(context, f"{request.name} uses {name}, which components may not")
        is_provider = request.type.startswith(_PROVIDER)
        if request.type != STACK or request.custom:
            self._hold_to_types(request, context)
        if message := _foreign(request.object) or (wrong_setting(request.object) if is_provider else ""):
            self._refuse(context, f"{request.name} {message}")
        self._hold_to_own(request, context)
        if request.custom:
            self._hold_to_foreseen(entry(request), context)
        made = resource_pb2.RegisterResourceRequest()
        for name in sorted(_REGISTERED):
            _copy(request, made, name)
        if is_provider:
            # Where it is there, the engine looks here alone for which program the provider is, and finds nothing.
            made.object.fields["__internal"].struct_value.SetInParent()
        answer = self._forward(self._real.RegisterResource, self._completed(made), context)
        with self._lock:
            self._own[answer.urn] = made.type if made.custom else ""
        return answer

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Tell the outputs of a component, or of the stack."""
        self._count(context)
        with self._lock:
            is_own_component = self._own.get(request.urn) == ""
        if not is_own_component:
            self._refuse(context, "it tells outputs of what is no component of its own")
        self._hold_to_texts(request.outputs, context)
        made = resource_pb2.RegisterResourceOutputsRequest(urn=request.urn, outputs=request.outputs)
        return self._forward(self._real.RegisterResourceOutputs, made, context)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Call a function of a provider that may be used."""
        self._count(context)
        if request.tok.partition(":")[0] not in self._providers:
            self._refuse(context, f"the function {request.tok[:100]} is of a provider that components may not use")
        if request.pluginDownloadURL or request.packageRef:
            self._refuse(context, f"the function {request.tok[:100]} names a plugin from elsewhere")
        if message := _foreign(request.args):
            self._refuse(context, f"the function {request.tok[:100]} {message}")
        if request.provider and not self._is_own_provider(request.provider):
            self._refuse(context, f"the function {request.tok[:100]} uses a provider that the component did not set up")
        made = resource_pb2.ResourceInvokeRequest()
        for name in _INVOKED:
            _copy(request, made, name)
        return self._forward(self._real.Invoke, made, context)

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say that the program has come to its end, and wait for the engine to come to its own."""
        del request
        return self._forward(self._real.SignalAndWaitForShutdown, empty_pb2.Empty(), context)

    def _completed(self, made: Any) -> Any:
        """Return the request as the engine gets it."""
        return made

    def left_out(self) -> str:
        """Return what is wrong where not everything was made that a preview showed, "" where nothing is."""
        missing = left_out(self._foreseen or (), self.shown)
        return missing and f"it left out {missing}, which its preview showed, and policies decided by that"

    def _hold_to_foreseen(self, made: dict[str, Any], context: Any) -> None:
        with self._lock:
            self.shown.append(made)
        if self._foreseen is not None and not is_among(made, self._foreseen):
            what = f"{made['name'] or 'what it tells'} is not as its preview showed"
            self._refuse(context, f"{what}, and policies decided by that")

    def _hold_to_own(self, request: Any, context: Any) -> None:
        for reference in filter(None, (request.provider, *request.providers.values())):
            if not self._is_own_provider(reference):
                self._refuse(context, f"{request.name} uses a provider that the component did not set up")
        if request.parent and not self._may_be_parent(request.parent):
            self._refuse(context, f"{request.name} belongs to what the component did not make")

    def _is_own_provider(self, reference: str) -> bool:
        """Tell by its URN: while previewing, all that are not there yet have the same identifier."""
        with self._lock:
            return self._own.get(reference.rpartition("::")[0], "").startswith(_PROVIDER)

    def _may_be_parent(self, urn: str) -> bool:
        with self._lock:
            return urn in self._own

    def _hold_to_texts(self, outputs: struct_pb2.Struct, context: Any) -> None:
        if message := _foreign(outputs):
            self._refuse(context, f"an output {message}")

    def _hold_to_types(self, request: Any, context: Any) -> None:
        kind = request.type
        is_provider = kind.startswith(_PROVIDER)
        package = kind.removeprefix(_PROVIDER) if is_provider else kind.partition(":")[0]
        is_of_a_provider = is_provider or request.custom
        if kind.startswith("pulumi:pulumi:") or (is_of_a_provider and package not in self._providers):
            known = ", ".join(sorted(self._providers))
            self._refuse(context, f"{request.name} is of the type {kind[:100]}; components may use: {known}")

    def _count(self, context: Any) -> None:
        with self._lock:
            self._left -= 1
        if self._left < 0:
            self._refuse(context, "it makes more resources than a component may")

    def _refuse(self, context: Any, why: str) -> None:
        with self._lock:
            self.refused = self.refused or why
        context.abort(grpc.StatusCode.PERMISSION_DENIED, why)

    def _forward(self, call: Callable[[Any], Any], request: Any, context: Any) -> Any:
        try:
            return call(request)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())


def _is_given(value: Any) -> bool:
    """Tell whether a field says anything; a message that is there and empty does not."""
    return bool(value.ByteSize()) if hasattr(value, "ByteSize") else bool(value)


def _copy(source: Any, target: Any, name: str) -> None:
    """Copy one field, whatever its sort."""
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key, each in value.items():
            held = getattr(target, name)
            if hasattr(each, "CopyFrom"):
                held[key].CopyFrom(each)
            else:
                held[key] = each
    elif isinstance(value, str | bytes | bool | int | float):
        setattr(target, name, value)
    elif field.message_type is not None and hasattr(value, "CopyFrom"):
        if source.HasField(name):
            getattr(target, name).CopyFrom(value)
    else:
        getattr(target, name).extend(value)


def _foreign(struct: struct_pb2.Struct) -> str:
    """Return what is wrong with properties that name a file of the machine or of the web, "" where none does."""
    waiting: list[Any] = list(struct.fields.values())
    while waiting:
        value = waiting.pop()
        kind = value.WhichOneof("kind")
        if kind == "list_value":
            waiting.extend(value.list_value.values)
        elif kind == "struct_value":
            fields = value.struct_value.fields
            if _SIGNATURE in fields and fields[_SIGNATURE].string_value in _ASSETS and {"path", "uri"} & set(fields):
                return "names a file by its path or address; components may hand over texts only"
            waiting.extend(fields.values())
    return ""
