"""Where logs, metrics and traces go, who is told, and what is shown."""

from slipway_component_observability.aws import AwsAlarm, AwsObservability, AwsObservabilityArgs
from slipway_component_observability.azure import AzureAlert, AzureObservability, AzureObservabilityArgs
from slipway_component_observability.gcp import GcpAlert, GcpObservability, GcpObservabilityArgs

__all__ = [
    "AwsAlarm",
    "AwsObservability",
    "AwsObservabilityArgs",
    "AzureAlert",
    "AzureObservability",
    "AzureObservabilityArgs",
    "GcpAlert",
    "GcpObservability",
    "GcpObservabilityArgs",
]
