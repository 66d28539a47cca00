"""Who has looked at a fork's commit before it runs: the request that names it, or somebody who approves it."""

from dataclasses import replace

from catalog.assets.blueprint_spec import parse_spec
from catalog.environments.machine import NOT_BEGUN
from catalog.environments.models import Environment, Phase, RequestEnvironment
from catalog.environments.service.wishes import Wish
from catalog.environments.triggers import Act, Decision, of_fork
from catalog.errors import FieldError, InvalidInputError

_WHOLE_ID = 40
"""How many digits name one commit and no other; a stranger can make one that begins with the same few."""


def unapproved(wish: Wish, asked: RequestEnvironment, environment: Environment | None) -> Decision | None:
    """Return what holds a request for a commit that nobody has looked at; None where nothing does.

    Raises ``InvalidInputError`` where the commit is named by a part of its id, and where what runs already would move
    to one that nobody named.
    """
    is_there = environment is not None and environment.phase is not Phase.DESTROYED
    spec = parse_spec({"spec": wish.spec})
    approved = environment.approved_sha if environment is not None and is_there else None
    pull = replace(wish.pull_request, head_sha=wish.head_sha)
    decision = of_fork(pull, spec.follow, approved, has_others=bool(spec.environment.repositories))
    if decision is None or decision.act not in {Act.HOLD, Act.BUILD}:
        return None
    if asked.head_sha is not None and len(asked.head_sha) >= _WHOLE_ID:
        return None
    if asked.head_sha is not None or (environment is not None and is_there and environment.phase not in NOT_BEGUN):
        detail = "It comes from a fork. Name the commit that somebody has looked at, by its whole id."
        raise InvalidInputError(detail, [FieldError("/head_sha", detail)])
    return decision
