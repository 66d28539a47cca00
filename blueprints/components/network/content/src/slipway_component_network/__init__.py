"""Networks for applications: public and private subnets, a way out, flow logs, private endpoints."""

from slipway_component_network.aws import AwsNetwork, AwsNetworkArgs
from slipway_component_network.azure import AzureNetwork, AzureNetworkArgs
from slipway_component_network.gcp import GcpNetwork, GcpNetworkArgs

__all__ = ["AwsNetwork", "AwsNetworkArgs", "AzureNetwork", "AzureNetworkArgs", "GcpNetwork", "GcpNetworkArgs"]
