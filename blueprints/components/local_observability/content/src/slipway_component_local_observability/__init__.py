"""Where logs, metrics and traces of an environment on the local target go."""

from slipway_component_local_observability.local import LocalObservability, LocalObservabilityArgs

__all__ = ["LocalObservability", "LocalObservabilityArgs"]
