"""How work on campaigns fails."""

from catalog.errors import ConflictError, InvalidInputError, NotFoundError


class CampaignNotFoundError(NotFoundError):
    """The tenant has no such campaign."""

    code = "campaign_not_found"


class CampaignMoveError(ConflictError):
    """That cannot be done to a campaign in this state."""

    code = "campaign_move"
    title = "The campaign is in another state"


class CampaignRefusedError(InvalidInputError):
    """The campaign asks for something that makes no sense."""

    code = "campaign_refused"
    title = "The campaign makes no sense"


class ActorGoneError(ConflictError):
    """Whoever the campaign acts as has left, or may no longer do what it does."""

    code = "campaign_actor_gone"
    title = "The campaign has nobody to act as"
