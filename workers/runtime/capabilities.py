"""What a worker process can do, asked of the things themselves: the engine's command and the process host."""

import time
from collections.abc import Callable

from catalog.settings import Settings
from workers.engine import pulumi_cli
from workers.process_host import ProcessHostError
from workers.process_host.client import ProcessHostClient

_ENGINE_MISSING = "The worker finds no Pulumi command: run `slipway doctor` on its machine."
_HOST_MISSING = "The worker does not reach the process host of the local target: start it with `slipway up`."
# Asking for the engine starts a process, so it is asked seldom once it is there.
_ENGINE_SECONDS = 300.0


class Capabilities:
    """Called before each heartbeat; returns the words of what is there, and a sentence for each thing that is not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine_until = float("-inf")

    def __call__(self) -> tuple[list[str], list[str]]:
        """Return what the process can do and what it lacks."""
        found, missing = ["worker"], []
        for word, probe in self._probes():
            lack = probe()
            if lack is None:
                found.append(word)
            else:
                missing.append(lack)
        return found, missing

    def _probes(self) -> tuple[tuple[str, Callable[[], str | None]], ...]:
        return (("engine", self._engine), ("target:local", self._process_host))

    def _engine(self) -> str | None:
        if time.monotonic() < self._engine_until:
            return None
        if pulumi_cli.find(self._settings.tools_dir) is None:
            return _ENGINE_MISSING
        self._engine_until = time.monotonic() + _ENGINE_SECONDS
        return None

    def _process_host(self) -> str | None:
        try:
            health = ProcessHostClient(self._settings.process_host_socket, timeout=2.0).health()
        except ProcessHostError:
            return _HOST_MISSING
        if health.get("isolation") == "refused":
            return f"The process host does not start applications: {health.get('reason')}"
        return None
