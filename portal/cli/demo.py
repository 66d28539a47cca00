"""``slipway demo``: what a fresh installation begins with, published through the same door as anyone's."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from catalog.assets.archive import archive_name
from catalog.assets.check import check_directory
from catalog.assets.curated import curated_folder
from catalog.assets.errors import VersionExistsError
from catalog.assets.package import Package
from catalog.assets.service import AssetService
from catalog.attestations.predicates import PROVENANCE
from catalog.attestations.statements import Subject
from catalog.db import Database
from catalog.providers.scm.local_git import demo_repositories
from catalog.settings import Settings, inherited_environment
from catalog.tenancy import ALL_SCOPES, Principal
from catalog.tenants import bootstrap
from catalog.tenants.models import CreateToken
from catalog.tenants.service import TenantService
from portal.cli.client import Client
from portal.cli.connection import Connection
from portal.cli.errors import CommandError
from portal.cli.installation import data_option, local_settings
from portal.cli.local_database import local_database
from portal.cli.output import Output
from portal.cli.provenance import provenance_of
from portal.cli.publish import await_checks, send
from portal.cli.sample_repository import PULL_REQUEST, ensure_sample_repository

_AT_ONCE = 4
_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  # compared with, not bound to


@dataclass(frozen=True)
class _Curated:
    """A curated asset, built."""

    package: Package
    data: bytes
    provenance: tuple[Subject, dict[str, Any]]

    @property
    def reference(self) -> str:
        metadata = self.package.manifest.metadata
        return f"{metadata.namespace}/{metadata.name}@{metadata.version}"

    @property
    def file_name(self) -> str:
        metadata = self.package.manifest.metadata
        return archive_name(metadata.namespace, metadata.name, metadata.version)


@click.command("demo", hidden=True)
@data_option
def demo(data: Path | None) -> None:
    """Publish the curated assets and make the sample repository; what is there already is left as it is."""
    output = Output()
    settings = local_settings(data)
    repository, made = ensure_sample_repository(
        demo_repositories(settings), inherited_environment().get("PATH", os.defpath)
    )
    if made:
        output.line(f"The sample repository with pull request {PULL_REQUEST} is {repository}.")
    with local_database(settings) as database:
        bootstrap.ensure_tenant(database, bootstrap.DEFAULT_TENANT, bootstrap.DEFAULT_TENANT.capitalize())
        tenant = bootstrap.ensure_tenant(database, bootstrap.CURATED_TENANT, "Slipway")
        curator = Principal(tenant.id, tenant.name, actor="system", name="curator", scopes=ALL_SCOPES)
        missing = _unpublished(database, curator, _curated(curated_folder()), output)
        if missing:
            with _token(database, curator) as token:
                _publish(Connection(_address(settings), token), missing, output)


def _curated(folder: Path) -> Iterator[_Curated]:
    for manifest in sorted(folder.rglob("asset.yaml")):
        checked, data = check_directory(manifest.parent)
        if checked.package is None or checked.errors:
            details = tuple(str(finding) for finding in checked.errors)
            raise CommandError(f"The curated asset in {manifest.parent} cannot be published.", details=details)
        yield _Curated(checked.package, data, provenance_of(checked, manifest.parent, epoch=0))


def _unpublished(
    database: Database, curator: Principal, curated: Iterator[_Curated], output: Output
) -> Sequence[_Curated]:
    missing = []
    with database.tenant_session(curator.tenant_id) as session:
        service = AssetService(session)
        for each in curated:
            try:
                found = service.published(curator, each.package)
            except VersionExistsError as error:
                # Somebody works on the curated assets: what is published stays, and the rest goes on.
                output.note(f"{each.reference} was left as it is. {error.detail}")
                continue
            if found is None:
                missing.append(each)
    return missing


@contextmanager
def _token(database: Database, curator: Principal) -> Iterator[str]:
    """Make a token that may publish, for as long as the block runs."""
    scopes = ["assets:write", "attestations:admin", "operations:read"]
    request = CreateToken(name="curated assets", scopes=scopes, expires_in_days=1)
    with database.tenant_session(curator.tenant_id) as session:
        made = TenantService(session).create_token(curator, request)
    try:
        yield made.token
    finally:
        with database.tenant_session(curator.tenant_id) as session:
            TenantService(session).revoke_token(curator, made.id)


def _publish(connection: Connection, missing: Sequence[_Curated], output: Output) -> None:
    refusals = []

    def publish(each: _Curated) -> CommandError | None:
        try:
            answer = send(client, each.file_name, each.data, "public")
            if "operation" in answer:
                await_checks(client, answer, Output(as_json=True))
            _sign(client, *each.provenance)
        except CommandError as error:
            return error
        return None

    # Most of the time goes into waiting for the sandboxed checks, which workers make side by side.
    with Client(connection) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        for each, error in zip(missing, threads.map(publish, missing), strict=True):
            if error is None:
                output.line(f"Published {each.reference}.")
            else:
                refusals.append(f"{each.reference}: {error.message}")
                refusals += error.details
    if refusals:
        raise CommandError("Not every curated asset could be published.", details=tuple(refusals))


def _sign(client: Client, subject: Subject, provenance: dict[str, Any]) -> None:
    """Let Slipway sign how a curated asset was built, with the key of the tenant that publishes it."""
    named = {"name": subject.name, "algorithm": subject.algorithm, "digest": subject.digest}
    asked = {"subjects": [named], "predicate_type": PROVENANCE, "predicate": provenance}
    client.post("/attestations/sign", asked)


def _address(settings: Settings) -> str:
    """Return where the portal answers on this machine, which may differ from the address that people use."""
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
