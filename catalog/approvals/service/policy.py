"""What an asking area provides where its policy, and no role or list, says who may approve."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from sqlmodel import Session

from catalog.approvals.models import Ask
from catalog.tenancy import Principal


class ApproverPolicy(Protocol):
    """Chooses approvers for one question, such as those who own what would be changed."""

    def approvers(self, session: Session, requester: Principal, asked: Ask) -> Collection[UUID]:
        """Return the members who may approve.

        Nobody means that nobody may: the gate then is not made, and the asker is told. So does any error raised here.
        """
        ...
