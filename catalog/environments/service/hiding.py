"""What nobody is shown of what an environment is made with: its secret inputs, passwords and the tenant's secrets."""

from contextlib import suppress

from sqlmodel import Session

from catalog.environments.models import Environment
from catalog.environments.service.credentials import passwords_of
from catalog.environments.service.wishes import open_inputs
from catalog.environments.specs import component_names, secret_names
from catalog.errors import SlipwayError
from catalog.secret_texts import secret_texts
from catalog.settings import Settings
from catalog.stacks.graph import texts_in
from catalog.stacks.service import MultiCloudProvisioningService
from catalog.tenants.secrets import SecretService


def hidden_texts(session: Session, settings: Settings, environment: Environment) -> frozenset[str]:
    """Return them as far as they can be opened; what a commit has to do without counts, since it may stand already."""
    secrets: list[str] = []
    with suppress(SlipwayError):
        plain = set(texts_in(environment.inputs))
        secrets += [each for each in texts_in(open_inputs(environment, settings)) if each not in plain]
    # Taken from the spec as it is stored: what cannot be read any more is removed all the same, and told of.
    names = component_names(environment.spec) | _resources(session, environment)
    with suppress(SlipwayError):
        secrets += passwords_of(settings, environment.id, names).values()
    with suppress(SlipwayError):
        secrets += (
            SecretService(session, settings).opened(environment.tenant_id, secret_names(environment.spec)).values()
        )
    return secret_texts(secrets)


def _resources(session: Session, environment: Environment) -> set[str]:
    """Return what there is: a database that a file of the repository describes is known from there alone."""
    if environment.stack_id is None:
        return set()
    stack = MultiCloudProvisioningService(session).get(environment.tenant_id, environment.stack_id)
    return {str(each["name"]) for each in stack.resources}
