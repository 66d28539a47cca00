"""What an agent would leave behind, written through its service."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from catalog.db import Database
from catalog.proposals.models import Autonomy, KnownAgent
from catalog.proposals.service import ProposalService, declare
from catalog.proposals.shapes import BlockAsked, Fact, Finding, MissingEvidence, ProposedAction, Remedy
from catalog.tenancy import Principal

AGENT = "tidy"


@pytest.fixture(autouse=True)
def known(database: Database) -> None:
    """An agent called ``tidy``, which this installation has."""
    agent = KnownAgent(
        name=AGENT,
        title="Tidy",
        summary="Keeps things tidy.",
        usual=Autonomy.ACT,
        watches=["release.created"],
        actions=["block"],
    )
    with database.system_session() as session:
        declare(session, [agent])


@pytest.fixture
def propose(database: Database) -> Callable[..., UUID]:
    """Return what lets the agent propose to block something, and do so with ``applied``."""

    def proposed(principal: Principal, *, applied: bool = False) -> UUID:
        subject, tenant_id = f"things/{uuid4()}", principal.tenant_id
        missing = MissingEvidence(key=subject, about="the attic", evidence="a key", fix="slipway verify attic")
        asked = BlockAsked(missing=[missing])
        finding = Finding(
            kind="locked",
            label="the attic",
            title="The attic lacks a key",
            summary="Nobody can get in.",
            evidence=[Fact(title="The door", href="/environments", is_fault=True)],
            action=ProposedAction(kind="block", title="Block the attic", parameters=asked.model_dump(mode="json")),
            steps=[Remedy(title="Find the key", command="slipway verify attic")],
        )
        with database.tenant_session(tenant_id) as session:
            service = ProposalService(session)
            made = service.settle(tenant_id, AGENT, subject, finding, level=Autonomy.ACT).made
            assert made is not None
            if applied:
                service.carry_out(tenant_id, made, Autonomy.ACT, _blocking(service, asked))
            return made.id

    return proposed


def _blocking(service: ProposalService, asked: BlockAsked) -> Callable[[Any], str]:
    def block(proposal: Any) -> str:
        service.block(proposal, asked)
        return "Blocked the attic."

    return block
