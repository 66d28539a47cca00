"""Serves the components of this package to Pulumi programs in any language."""

from pulumi.provider.experimental import component_provider_host

from slipway_component_data import AwsData, AzureData, GcpData

if __name__ == "__main__":
    component_provider_host(name="slipway-data", components=[AwsData, AzureData, GcpData])
