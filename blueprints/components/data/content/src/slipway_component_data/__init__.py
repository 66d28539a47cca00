"""Stores for data: a managed PostgreSQL, a cache and an object storage, private and encrypted."""

from slipway_component_data.aws import AwsData, AwsDataArgs
from slipway_component_data.azure import AzureData, AzureDataArgs
from slipway_component_data.gcp import GcpData, GcpDataArgs

__all__ = ["AwsData", "AwsDataArgs", "AzureData", "AzureDataArgs", "GcpData", "GcpDataArgs"]
