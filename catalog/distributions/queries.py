"""Reads of projects and files; the tenant comes first, and row-level security stands behind it.

What the doors ask at every request is built once: to build a statement takes longer than to carry it out.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Uuid, bindparam, case, exists, literal, null, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from catalog.assets.models import Asset, AssetVersion, VersionState, Visibility
from catalog.clock import now
from catalog.distributions.models import Distribution, FileRow, Project

CURATED = "slipway"
"""The namespace of the assets that come with the product; nobody else can have it."""
_TENANT: BindParameter[UUID] = bindparam("tenant", type_=Uuid())


def claim(session: Session, tenant_id: UUID, project: str) -> Project | None:
    """Return which of the tenant's own assets stands for a project name."""
    return session.exec(select(Project).where(Project.tenant_id == tenant_id, Project.project == project)).first()


def claim_free(session: Session, tenant_id: UUID, asset_id: UUID, project: str) -> bool:
    """Let an asset of the tenant's own stand for a project name from now on; return False where one does already."""
    public_since = case((col(Asset.visibility) == Visibility.PUBLIC, now()), else_=null())
    claims = select(literal(project), Asset.tenant_id, Asset.id, public_since)
    claims = claims.where(Asset.tenant_id == tenant_id, Asset.id == asset_id)
    insertion = insert(Project).from_select(["project", "tenant_id", "asset_id", "public_since"], claims)
    claimed = insertion.on_conflict_do_nothing().returning(col(Project.project))
    return session.execute(claimed).first() is not None


def own_file(session: Session, tenant_id: UUID, filename: str) -> Distribution | None:
    """Return the tenant's own file of that name."""
    statement = select(Distribution).where(Distribution.tenant_id == tenant_id, Distribution.filename == filename)
    return session.exec(statement).first()


def file_of_version(session: Session, tenant_id: UUID, version_id: UUID) -> Distribution | None:
    """Return the file of one of the tenant's own versions."""
    statement = select(Distribution).where(Distribution.tenant_id == tenant_id, Distribution.version_id == version_id)
    return session.exec(statement).first()


def standing_for(session: Session, tenant_id: UUID, project: str) -> tuple[UUID, str] | None:
    """Return the one publisher, and the asset as ``namespace/name``, that a project name means to the tenant.

    Its own asset first, then one shared with it, then one that comes with the product, then the public one that has
    been public for longest. Never two of them.
    """
    found = session.connection().execute(_STANDING_FOR, {"tenant": tenant_id, "project": project}).first()
    return None if found is None else (found[0], f"{found[1]}/{found[2]}")


def standings(session: Session, tenant_id: UUID) -> dict[str, tuple[str, str]]:
    """Return which asset (namespace and name) stands for each project name that the tenant may see."""
    statement = (
        select(Project.project, Asset.namespace, Asset.name)
        .join(Asset, col(Asset.id) == Project.asset_id)
        .where(or_(col(Project.tenant_id) == _TENANT, _has_files()))
        .distinct(col(Project.project))
        .order_by(col(Project.project), *_nearest_first())
    )
    return {
        project: (namespace, name)
        for project, namespace, name in session.connection().execute(statement, {"tenant": tenant_id})
    }


def _nearest_first() -> tuple[ColumnElement[Any], ...]:
    return _nearness(), col(Project.public_since), col(Project.claimed_at), col(Project.asset_id)  # type: ignore[return-value]


def _nearness() -> ColumnElement[int]:
    return case(
        (col(Project.tenant_id) == _TENANT, 0),
        (col(Asset.visibility) != Visibility.PUBLIC, 1),
        (col(Asset.namespace) == CURATED, 2),
        else_=3,
    )


def _has_files() -> ColumnElement[bool]:
    # Of another publisher only what the tenant may see counts: a name that has drafts alone is not there.
    return exists().where(
        col(Distribution.tenant_id) == Project.tenant_id, col(Distribution.project) == Project.project
    )


def project_names(session: Session, tenant_id: UUID) -> Sequence[str]:
    """Return the names of every project that the tenant may see, sorted."""
    return session.connection().execute(_PROJECT_NAMES, {"tenant": tenant_id}).scalars().all()


_COLUMNS = (
    Distribution.filename,
    Distribution.version,
    Distribution.requires_python,
    Distribution.blob_digest,
    Distribution.size,
    Distribution.core_digest,
    Distribution.uploaded_at,
    AssetVersion.state,
    AssetVersion.state_reason,
)


_ORDER = (
    *(AssetVersion.major, AssetVersion.minor, AssetVersion.patch),
    *(AssetVersion.stage, AssetVersion.stage_number),
)


def files(session: Session, owner: UUID, project: str) -> list[FileRow]:
    """Return every file of a publisher's project that the session may see, oldest version first."""
    return [FileRow(*row) for row in session.connection().execute(_FILES, {"owner": owner, "project": project})]


def file(session: Session, tenant_id: UUID, digest: str, filename: str) -> tuple[Distribution, VersionState] | None:
    """Return a file that the tenant may see, with the state of its version; its own one where it has one."""
    values = {"tenant": tenant_id, "digest": digest, "filename": filename}
    found = session.execute(_FILE, values).first()
    return None if found is None else (found[0], VersionState(found[1]))


def core(session: Session, distribution_id: UUID) -> bytes | None:
    """Return the METADATA of a file that the session may see."""
    return session.exec(select(Distribution.core).where(Distribution.id == distribution_id)).first()


_STANDING_FOR = (
    select(Project.tenant_id, Asset.namespace, Asset.name)
    .join(Asset, col(Asset.id) == Project.asset_id)
    .where(Project.project == bindparam("project"), or_(col(Project.tenant_id) == _TENANT, _has_files()))
    .order_by(*_nearest_first())
    .limit(1)
)
_PROJECT_NAMES = (
    select(Project.project)
    .where(or_(col(Project.tenant_id) == _TENANT, _has_files()))
    .distinct()
    .order_by(col(Project.project))
)
_FILES = (
    select(*_COLUMNS)  # type: ignore[call-overload]  # nine columns are more than the overloads know
    .join(AssetVersion, col(AssetVersion.id) == Distribution.version_id)
    .where(Distribution.tenant_id == bindparam("owner"), Distribution.project == bindparam("project"))
    .order_by(*(col(each) for each in _ORDER))
)
_FILE = (
    select(Distribution, AssetVersion.state)
    .join(AssetVersion, col(AssetVersion.id) == Distribution.version_id)
    .where(Distribution.blob_digest == bindparam("digest"), Distribution.filename == bindparam("filename"))
    .options(defer(col(Distribution.core)))  # type: ignore[arg-type]  # a column is what it takes
    .order_by(case((col(Distribution.tenant_id) == _TENANT, 0), else_=1))
    .limit(1)
)
