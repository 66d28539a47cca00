"""What a pull request means for its environment that ended with it: whether it comes back, and by which rule."""

from collections.abc import Sequence
from datetime import timedelta

from catalog.assets.blueprint_spec import Follow
from catalog.clock import now
from catalog.environments.models import Environment
from catalog.environments.specs import has_other_repositories, spec_of, why_unreadable
from catalog.environments.triggers import Decision, Facts, decide, facts_of_new
from catalog.providers.scm import PullRequest

REMEMBERED = timedelta(days=30)
"""How long after its end an environment comes back by itself; afterwards somebody has to ask."""


def may_come_back(environment: Environment) -> bool:
    """Tell whether an environment that is gone comes back once its pull request is to have one again."""
    ended = environment.destroyed_at
    is_remembered = ended is None or ended >= now() - REMEMBERED
    return environment.comes_back and is_remembered and not why_unreadable(environment)


def decide_return(environment: Environment, pull: PullRequest, listed: Sequence[PullRequest]) -> Decision:
    """Return what follows for an environment that is gone, as if its pull request were new."""
    return decide(facts_of_return(environment, pull, listed), policy_of_return(environment))


def facts_of_return(environment: Environment, pull: PullRequest, listed: Sequence[PullRequest]) -> Facts:
    """Return what is known of the pull request of an environment that is gone: an approval ended with that."""
    return facts_of_new(pull, listed, has_others=has_other_repositories(environment.spec))


def policy_of_return(environment: Environment) -> Follow:
    """Return what its blueprint says, but for changed paths: those move what runs, and end nothing.

    Raises ``UnreadableSpecError`` where nobody knows (any more) what it was made of.
    """
    return spec_of(environment).follow.model_copy(update={"paths": ()})
