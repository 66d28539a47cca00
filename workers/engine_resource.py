"""The stack engine as a thing that a worker process builds once."""

from workers.engine import StackEngine
from workers.engine.pulumi_automation import PulumiEngine
from workers.runtime.resources import Resource, Runtime


def _build(runtime: Runtime) -> StackEngine:
    return PulumiEngine(runtime.settings)


ENGINE: Resource[StackEngine] = Resource("engine", _build)
