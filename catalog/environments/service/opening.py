"""The tenant's secrets that an environment is given, as long as they are open to the blueprints it is made of."""

from collections.abc import Iterator
from contextlib import suppress

from sqlmodel import Session

from catalog.assets.blueprint_spec import makes_environments, parse_spec
from catalog.assets.models import AssetVersion
from catalog.assets.service import AssetService
from catalog.environments.models import Environment
from catalog.environments.specs import spec_of
from catalog.errors import InvalidInputError, NotFoundError
from catalog.settings import Settings
from catalog.tenants.secrets import SecretService

BLUEPRINT_KIND = "deployment-blueprint"


def check_secrets(session: Session, settings: Settings, environment: Environment) -> None:
    """Raise ``InvalidInputError`` where a secret is not there (any more) for a blueprint that takes it."""
    secrets = SecretService(session, settings)
    for version, names in _takers(session, environment):
        own = version.tenant_id == environment.tenant_id
        secrets.check(environment.tenant_id, names, f"{version.namespace}/{version.name}", own=own)


def opened_secrets(session: Session, settings: Settings, environment: Environment) -> dict[str, str]:
    """Return the secrets that every blueprint may have that takes them; none where a blueprint cannot be seen."""
    secrets = SecretService(session, settings)
    open_to_all: set[str] = set(spec_of(environment).environment.secrets)
    with suppress(NotFoundError):
        for version, names in _takers(session, environment):
            blueprint, own = f"{version.namespace}/{version.name}", version.tenant_id == environment.tenant_id
            for name in names & open_to_all:
                try:
                    secrets.check(environment.tenant_id, {name}, blueprint, own=own)
                except InvalidInputError:
                    open_to_all.remove(name)
        return secrets.opened(environment.tenant_id, open_to_all)
    return {}


def _takers(session: Session, environment: Environment) -> Iterator[tuple[AssetVersion, frozenset[str]]]:
    """Yield each blueprint that the environment is made of, and which of its secrets that one takes."""
    made = spec_of(environment).environment
    if not made.secrets:
        return
    packages = {each.uses for each in made.packaged.values()}
    for each in environment.lock:
        asset = str(each["asset"])
        if asset in packages:
            continue
        namespace, _, name = asset.partition("/")
        version = AssetService(session).version(environment.tenant_id, namespace, name, str(each["version"]))
        if version.kind == BLUEPRINT_KIND and makes_environments(version.manifest):
            yield version, parse_spec(version.manifest).environment.secrets & made.secrets
