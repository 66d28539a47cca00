"""Passwords of what stands behind an environment's processes: derived where they are needed, and stored nowhere."""

from collections.abc import Collection
from uuid import UUID

from catalog.assets.blueprint_spec import BlueprintSpec
from catalog.secrets import SecretBox
from catalog.settings import Settings


def credentials_of(settings: Settings, environment_id: UUID, spec: BlueprintSpec) -> dict[str, str]:
    """Return a password for each database and the like by its name, the same each time (letters, digits, ``-``, ``_``).

    Raises ``SecretsUnavailableError`` where there are such and the installation has no key.
    """
    return passwords_of(settings, environment_id, list(spec.environment.backing))


def passwords_of(settings: Settings, environment_id: UUID, names: Collection[str]) -> dict[str, str]:
    """Return the passwords that databases and the like of these names have, or would have; raises the same."""
    box = SecretBox(settings) if names else None
    if box is None:
        return {}
    return {name: box.passphrase(f"environments/{environment_id}/{name}").rstrip("=") for name in names}
