"""`slipway:local:Route`: leads visitors of a host name to a local port."""

from catalog.errors import SlipwayError
from catalog.providers.routers import Route as RouteValue
from catalog.providers.routers import Router
from workers.engine.plugin.resource import (
    UNKNOWN,
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)

INPUTS = ("host", "port")


class RouteResource:
    """Inputs: `host` (DNS name) and `port`. The port is changed in place, without a moment in between."""

    type = "slipway:local:Route"
    secrets: tuple[str, ...] = ()

    def __init__(self, router: Router) -> None:
        self._router = router

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Lower the host's case; check both inputs."""
        problems = unexpected(inputs, INPUTS) + require_text(inputs, "host")
        port, host = inputs.get("port"), inputs.get("host")
        if port is not UNKNOWN and (not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536):
            problems.append(InputProblem("port", "must be a number from 1 to 65535"))
        if not problems and isinstance(host, str):
            inputs = {**inputs, "host": host.lower()}
            try:
                RouteValue(host.lower(), 1)
            except SlipwayError:
                problems.append(InputProblem("host", "must be a DNS name without port"))
        return inputs, problems

    def diff(self, old: Values, new: Values) -> Difference:
        """Another host is another route; another port is a change."""
        return Difference(changed=differing(INPUTS, old, new), replaces=differing(("host",), old, new))

    def create(self, inputs: Values) -> Created:
        """Put the route."""
        self._put(inputs)
        return Created(str(inputs["host"]))

    def read(self, resource_id: str, state: Values) -> Values | None:
        """Return the port that the running router leads to."""
        try:
            routes = {route.host: route.port for route in self._router.observed()}
        except SlipwayError as error:
            raise ResourceFailure(error.detail) from error
        return {**state, "host": resource_id, "port": routes[resource_id]} if resource_id in routes else None

    def update(self, resource_id: str, old: Values, new: Values) -> Values:
        """Lead visitors to the new port."""
        del resource_id, old
        self._put(new)
        return {}

    def delete(self, resource_id: str, state: Values) -> None:
        """Remove the route."""
        del state
        try:
            self._router.remove(resource_id)
        except SlipwayError as error:
            raise ResourceFailure(error.detail) from error

    def abandon(self, inputs: Values, kept: list[tuple[str, Values]]) -> None:
        """Remove the route unless another resource has it."""
        host = str(inputs.get("host", ""))
        if host and host not in {resource_id for resource_id, _outputs in kept}:
            self.delete(host, {})

    def _put(self, inputs: Values) -> None:
        try:
            self._router.put(RouteValue(str(inputs["host"]), int(inputs["port"])))
        except SlipwayError as error:
            raise ResourceFailure(error.detail) from error
