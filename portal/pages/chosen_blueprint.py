"""The blueprint that a form is about: which there are, and which version a constraint in any spelling means."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from catalog.assets.blueprint_spec import makes_environments
from catalog.assets.constraints import Translation, translate
from catalog.assets.errors import InvalidVersionError
from catalog.assets.models import AssetRead, AssetVersionRead, SearchQuery
from catalog.assets.references import AssetReference
from catalog.assets.service import AssetService
from catalog.assets.versions import parse_version
from catalog.errors import NotFoundError
from catalog.overlays.fitting import Fitted
from catalog.overlays.service import OverlayService

KIND = "deployment-blueprint"
MOST_BLUEPRINTS = 100


@dataclass(frozen=True)
class Chosen:
    """What a form is about: ``written`` is the constraint as it was given, "" for the newest or a single version."""

    asset: AssetRead
    version: AssetVersionRead
    read: Translation
    written: str
    fitted: Fitted

    @property
    def reading(self) -> str:
        """Say what the constraint means, and which version that is now."""
        if not self.written:
            return ""
        same = self.written == self.read.canonical
        means = self.written if same else f"{self.written} is read as {self.read.canonical or 'any version'}"
        return f"{means}; today that is {self.version.version}."


def makers_of_environments(session: Session, tenant_id: UUID) -> Sequence[AssetRead]:
    """Return the blueprints that the tenant may choose for an environment."""
    assets = AssetService(session)
    found = assets.search(tenant_id, SearchQuery(kind=KIND, limit=MOST_BLUEPRINTS)).items
    return assets.making_environments(tenant_id, found)


def choose(session: Session, tenant_id: UUID, blueprint: str, version: str) -> Chosen:
    """Return the blueprint and the version that a constraint in any spelling means; "" stands for the newest.

    Raises ``NotFoundError`` where there is no such blueprint of environments, ``InvalidConstraintError`` for what is no
    constraint, and ``VersionNotSelectableError`` where none of its versions may be chosen.
    """
    assets = AssetService(session)
    namespace, _, name = blueprint.partition("/")
    asset = assets.get(tenant_id, namespace, name)
    if asset.kind != KIND:
        raise NotFoundError(f"{blueprint} is a {asset.kind}; an environment is made from a {KIND}.")
    read = translate(f"=={version}" if _is_version(version) else version)
    found = assets.resolve(tenant_id, AssetReference(namespace, name, read.constraint))
    chosen = assets.get_version(tenant_id, namespace, name, found.version)
    if not makes_environments(chosen.manifest):
        raise NotFoundError(f"{blueprint} says how releases move, and not what an environment is made of.")
    fitted = OverlayService(session).over(tenant_id, chosen)
    return Chosen(asset, chosen, read, "" if _is_version(version) else version.strip(), fitted)


def _is_version(text: str) -> bool:
    try:
        parse_version(text)
    except InvalidVersionError:
        return False
    return True
