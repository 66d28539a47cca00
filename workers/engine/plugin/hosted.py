"""What resources have in common that are programs under the process host."""

from collections.abc import Callable
from threading import Event

from workers.engine.plugin.resource import Created, ResourceFailure, Unchanging, Values
from workers.process_host import ProcessHostError, ProcessSpec, ProcessState, ProcessStatus
from workers.process_host.client import ProcessHostClient


class Hosted(Unchanging):
    """A program with the inputs `environment_id` and `name`; `grace_seconds` are what it has to end by itself."""

    grace_seconds: float
    hasty_seconds: float
    """What one has that never became ready."""

    def __init__(self, client: ProcessHostClient, cancelled: Event) -> None:
        self._client = client
        self._cancelled = cancelled

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Notice that it is unknown to the host, or is not running."""
        try:
            status = self._client.status(resource_id)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error
        return None if status is None else {**state, **outputs_of(status)}

    def delete(self, resource_id: str, state: Values) -> None:
        """Stop it and everything that it started; its data stays."""
        del state
        try:
            self._client.stop(resource_id, grace_seconds=self.grace_seconds)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Stop those of this environment and name that no resource has, once no start of before can come any more."""
        known = {resource_id for resource_id, _outputs in kept}
        environment_id = str(inputs.get("environment_id", ""))
        if not environment_id:
            return
        try:
            self._client.close_gate(environment_id)
            for status in self._client.list(environment_id):
                if status.name == inputs.get("name") and status.id not in known:
                    self._client.stop(status.id, grace_seconds=self.grace_seconds)
        except ProcessHostError as error:
            raise ResourceFailure(error.message) from error

    def _started(self, spec: ProcessSpec, wait: Callable[[ProcessStatus], None]) -> Created:
        """Start a program and wait until it is ready; where it is not, stop it."""
        ready = False
        try:
            status = self._client.start(spec)
            wait(status)
            status = self._client.mark_healthy(spec.id)
            ready = True
        finally:
            if not ready:
                self._client.stop(spec.id, grace_seconds=self.hasty_seconds)
        return Created(spec.id, outputs_of(status))


def outputs_of(status: ProcessStatus) -> Values:
    """Return what is told of a program that is ready."""
    return {
        "port": status.port,
        "address": f"127.0.0.1:{status.port}",
        "process_id": status.id,
        "log_file": status.log_file,
        "state": ProcessState.HEALTHY.value if status.alive else status.state.value,
    }
