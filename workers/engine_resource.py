"""The stack engine as a thing that a worker process builds once."""

from workers.engine import StackEngine
from workers.engine.pulumi_automation import EngineConfiguration, PulumiAutomationEngine
from workers.runtime.resources import Resource, Runtime


def _build(runtime: Runtime) -> StackEngine:
    return PulumiAutomationEngine(EngineConfiguration.from_settings(runtime.settings))


ENGINE: Resource[StackEngine] = Resource("engine", _build)
