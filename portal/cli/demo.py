"""``slipway demo``: what a fresh installation begins with, published through the same door as anyone's."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from catalog.assets.curated import curated_folder, packed_folder
from catalog.assets.errors import VersionExistsError
from catalog.assets.service import AssetService
from catalog.attestations.signatures import PublicKey, key_id, pem
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
from portal.cli.packing import Packed, pack_folder, public_key, read_index, read_packed, sources_digest
from portal.cli.publish import await_checks, send
from portal.cli.sample_repository import PULL_REQUEST, ensure_sample_repository

_AT_ONCE = 4
_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  # compared with, not bound to


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
        published, missing = _sorted(database, curator, _packed(settings, output), output)
        if missing or published:
            with _token(database, curator) as token:
                _publish(Connection(_address(settings), token), published, missing, output)


def _packed(settings: Settings, output: Output) -> list[Packed]:
    """Return the curated assets as a build left them; where none did of just these sources, they are packed now."""
    source, folder = curated_folder(), packed_folder(settings)
    built = read_index(folder)
    if built is None or (built["sources"] != sources_digest(source) and settings.curated_dir is None):
        output.note("No build has packed the curated assets as they are; they are packed and signed here.")
        folder = settings.data_dir / "curated"
        pack_folder(source, folder, settings)
    trusted = None if settings.release_public_key is None else public_key(settings.release_public_key)
    return list(read_packed(folder, trusted))


def _sorted(
    database: Database, curator: Principal, curated: Sequence[Packed], output: Output
) -> tuple[list[Packed], list[Packed]]:
    """Return what is published as it is, and what is missing."""
    published: list[Packed] = []
    missing: list[Packed] = []
    with database.tenant_session(curator.tenant_id) as session:
        service = AssetService(session)
        for each in curated:
            try:
                found = service.published(curator, each.package)
            except VersionExistsError as error:
                # Somebody works on the curated assets: what is published stays, and the rest goes on.
                output.note(f"{each.reference} was left as it is. {error.detail}")
                continue
            (missing if found is None else published).append(each)
    return published, missing


@contextmanager
def _token(database: Database, curator: Principal) -> Iterator[str]:
    """Make a token that may publish, for as long as the block runs."""
    scopes = ["assets:write", "attestations:admin", "attestations:read", "attestations:write", "operations:read"]
    request = CreateToken(name="curated assets", scopes=scopes, expires_in_days=1)
    with database.tenant_session(curator.tenant_id) as session:
        made = TenantService(session).create_token(curator, request)
    try:
        yield made.token
    finally:
        with database.tenant_session(curator.tenant_id) as session:
            TenantService(session).revoke_token(curator, made.id)


def _publish(connection: Connection, published: Sequence[Packed], missing: Sequence[Packed], output: Output) -> None:
    curated = [*missing, *published]
    refusals = []

    def publish(each: Packed) -> CommandError | None:
        try:
            if each in missing:
                answer = send(client, each.file_name, each.data, "public")
                if "operation" in answer:
                    await_checks(client, answer, Output(as_json=True))
            for bundle in each.bundles if is_vouched_for else ():
                client.post_bytes("/attestations", bundle.read_bytes(), {"subject": f"sha256:{each.digest}"})
        except CommandError as error:
            return error
        return None

    # What needs others comes after them. Most of the time goes into waiting for the sandboxed checks, which workers
    # make side by side.
    waves = [[each for each in curated if bool(each.package.manifest.dependencies) is needs] for needs in (False, True)]
    with Client(connection) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        is_vouched_for = _vouch(client, curated[0].key, output)
        for each, error in (found for wave in waves for found in zip(wave, threads.map(publish, wave), strict=True)):
            if error is not None:
                refusals += [f"{each.reference}: {error.message}", *error.details]
            elif each in missing:
                output.line(f"Published {each.reference}.")
    if refusals:
        raise CommandError("Not every curated asset could be published.", details=tuple(refusals))


def _vouch(client: Client, key: PublicKey, output: Output) -> bool:
    """Let the publisher vouch for the release key that the bundles were verified with; tell whether it does."""
    known = {each["key_id"]: each for each in client.get("/attestations/keys")["items"]}.get(key_id(key))
    if known is None:
        client.post("/attestations/keys/import", {"name": "release key", "public_key": pem(key)})
    elif known["state"] != "active":
        output.note(f"The release key is {known['state']} here, so what it signed is not sent.")
        return False
    return True


def _address(settings: Settings) -> str:
    """Return where the portal answers on this machine, which may differ from the address that people use."""
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
