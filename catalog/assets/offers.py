"""What a blueprint needs of the target that it goes to."""

from catalog.assets.blueprint_spec import BlueprintSpec, PostgresComponent
from catalog.providers.targets.offers import Needs


def needs_of(spec: BlueprintSpec) -> Needs:
    """Return the servers behind the services of a blueprint, and which of them begin with something."""
    backing = spec.environment.backing
    seeded = [name for name, each in backing.items() if isinstance(each, PostgresComponent) and each.seed is not None]
    return Needs({name: each.type for name, each in backing.items()}, seeded)
