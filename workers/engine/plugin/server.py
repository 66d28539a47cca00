"""Serves the provider to the engine: as a plugin executable, or inside the process that runs the engine."""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from workers.engine import ProgramResource, StackProgram
from workers.engine.plugin import VERSION, PluginConfiguration
from workers.engine.plugin.callers import is_trusted
from workers.engine.plugin.provider import SlipwayProvider
from workers.engine.plugin.resource import ResourceFailure


class _Servicer(ProviderServicer):
    """Lets an engine attach to a plugin that it did not start itself."""

    async def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 - the protocol's name
        """Accept: everything the plugin needs came with its configuration."""
        del request, context
        return empty_pb2.Empty()


class _Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # the stubs leave this class untyped
    """Lets nobody but the engine call, and gives it the reason of a failure alone.

    The framework would add a traceback that ends up before users.
    """

    def __init__(self, session: int | None) -> None:
        self._session = session
        self.port = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Wrap the handler of every call; all that the engine makes are unary."""
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return None
        inner = handler.unary_unary

        async def call(request: Any, context: Any) -> Any:
            if not is_trusted(context.peer(), self.port, self._session):
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only the engine may call the plugin")
            try:
                return await inner(request, context)
            except Exception as error:  # noqa: BLE001 - every failure must reach the engine as a reason
                await context.abort(*_reason(error))

        return grpc.unary_unary_rpc_method_handler(
            call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


def _reason(error: Exception) -> tuple[grpc.StatusCode, str]:
    original = error.__context__ or error
    if isinstance(original, ResourceFailure):
        return grpc.StatusCode.UNKNOWN, str(original)
    if isinstance(error, NotImplementedError):
        return grpc.StatusCode.UNIMPLEMENTED, str(error)
    traceback.print_exception(original, file=sys.stderr)
    return grpc.StatusCode.INTERNAL, f"the plugin failed unexpectedly ({type(original).__name__})"


async def _serve(provider: SlipwayProvider, on_port: Callable[[int], object], session: int | None = None) -> None:
    doorkeeper = _Doorkeeper(session)
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS, interceptors=[doorkeeper])
    servicer = _Servicer([], VERSION, provider, engine_address="")
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = doorkeeper.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    on_port(port)
    await server.wait_for_termination()


def serve_beside(
    configuration: PluginConfiguration, program: StackProgram, also: Sequence[ProgramResource] = ()
) -> int:
    """Serve on a thread of this process until it ends; return the port, for an engine of this session to attach to.

    Nothing is made but what ``program`` declares, and what its parts do meanwhile (``also``).
    """
    port: Future[int] = Future()

    def run() -> None:
        try:
            asyncio.run(_serve(SlipwayProvider(configuration, program, also), port.set_result, os.getsid(0)))
        except Exception as error:
            if port.done():
                raise
            port.set_exception(error)

    threading.Thread(target=run, name="plugin", daemon=True).start()
    return port.result(30)


def serve_for_parent(configuration: PluginConfiguration) -> None:
    """Serve as the plugin that an engine started: write the port to the standard output and go on until killed."""

    def announce(port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    asyncio.run(_serve(SlipwayProvider(configuration), announce))
