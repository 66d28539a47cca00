"""The tags by which an environment's resources are found in a cloud; lower case, as the strictest of them wants."""

ENVIRONMENT = "slipway-environment"
COMPONENT = "slipway-component"
MANAGER = "slipway"
