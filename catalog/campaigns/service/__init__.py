"""CampaignService: one asset upgraded in many installs, wave by wave; everything in the session's transaction."""

from catalog.campaigns.service.base import SUBJECT
from catalog.campaigns.service.commands import Commands
from catalog.campaigns.service.measuring import NUMBERS, Measuring, WaveFacts

__all__ = ["NUMBERS", "SUBJECT", "CampaignService", "WaveFacts"]


class CampaignService(Commands, Measuring):
    """One unit of work on campaigns."""
