"""What an install is where the ledger itself is all that is needed: whoever needs the entry reads it there."""

from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from catalog.installs.models import Action
from catalog.installs.service import Applied, Draft, Proposal, Work
from catalog.settings import Settings
from workers.installers import Bench


class LedgerEntry:
    """Records a revision and changes nothing else; ``told`` says in the plan what the entry means."""

    def __init__(self, name: str, told: Callable[[Draft, Bench], dict[str, Any]]) -> None:
        self.name = name
        self._told = told

    def plan(self, draft: Draft, bench: Bench) -> Proposal:
        """Say what the entry would be."""
        return Proposal({self.name: {**self._told(draft, bench), "ends": draft.action is Action.UNINSTALL}})

    def apply(self, work: Work, bench: Bench) -> Applied:  # noqa: ARG002
        """Do nothing outside."""
        return Applied()

    def record(self, session: Session, work: Work, applied: Applied, settings: Settings) -> Applied:  # noqa: ARG002
        """Say what stands there from now on."""
        if work.action is Action.UNINSTALL:
            return Applied()
        return Applied({self.name: f"{work.asset}=={work.content['version']}"})

    def look(self, work: Work, bench: Bench) -> Applied | None:  # noqa: ARG002
        """Find nothing: an entry waits for nobody."""
        return None
