"""The composition of gates: what every session that may change the world is opened with."""

from catalog.db import Database
from catalog.gates.gate import PolicyGate
from catalog.gates.impact import ImpactDesk
from catalog.gates.service import PolicyDesk
from catalog.gates.statements import DecisionDesk
from catalog.gates.trials import TrialDesk
from catalog.settings import Settings

__all__ = ["DecisionDesk", "ImpactDesk", "PolicyDesk", "PolicyGate", "TrialDesk", "open_database"]


def open_database(settings: Settings) -> Database:
    """Return the ways into the database whose sessions lead through the gates."""
    return Database(settings, PolicyGate(settings))
