"""The tags by which an environment's resources are found in a cloud; lower case, as the strictest of them wants."""

from uuid import UUID

ENVIRONMENT = "slipway-environment"
COMPONENT = "slipway-component"
MANAGER = "slipway"


def iam_path(environment_id: UUID | None = None) -> str:
    """Return the path below which AWS keeps the roles and users of an environment, or of all of them."""
    return "/slipway/" if environment_id is None else f"/slipway/{environment_id}/"
