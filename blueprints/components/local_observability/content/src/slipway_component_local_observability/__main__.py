"""Serves the component of this package to Pulumi programs in any language."""

from pulumi.provider.experimental import component_provider_host

from slipway_component_local_observability import LocalObservability

if __name__ == "__main__":
    component_provider_host(name="slipway-local-observability", components=[LocalObservability])
