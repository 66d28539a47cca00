"""Serves the components of this package to Pulumi programs in any language."""

from pulumi.provider.experimental import component_provider_host

from slipway_component_network import AwsNetwork, AzureNetwork, GcpNetwork

if __name__ == "__main__":
    component_provider_host(name="slipway-network", components=[AwsNetwork, AzureNetwork, GcpNetwork])
