"""``slipway tenant``, ``slipway token`` and ``slipway sign-in-link``: credentials made by whoever runs the machine."""

from pathlib import Path

import click

from catalog.tenants import bootstrap
from portal.cli.installation import data_option, local_settings
from portal.cli.local_database import local_database
from portal.cli.output import Output, json_option


@click.command("create")
@click.argument("name")
@data_option
@json_option
def create_tenant(name: str, data: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Make the tenant NAME; one that is there already is left as it is."""
    with local_database(local_settings(data)) as database:
        tenant = bootstrap.ensure_tenant(database, name)
    output = Output(as_json=as_json)
    output.result(tenant.model_dump(mode="json"), lambda each: output.line(f"Tenant {each['name']} is ready."))


@click.command("create")
@click.option("--tenant", required=True, help="The tenant to act in; made where there is none.")
@click.option("--name", required=True, help="What uses the token.")
@click.option("--scope", "scopes", multiple=True, required=True, help="Such as environments:write; repeatable.")
@click.option(
    "--expires-in-days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long it lives."
)
@data_option
def create_token(tenant: str, name: str, scopes: tuple[str, ...], expires_in_days: int, data: Path | None) -> None:
    """Make an API token and print it, alone, on standard output. It is shown this once and not kept."""
    with local_database(local_settings(data)) as database:
        secret = bootstrap.create_token(database, tenant, name, scopes, expires_in_days)
    click.echo(secret)


@click.command("sign-in-link")
@click.option("--tenant", default=bootstrap.DEFAULT_TENANT, show_default=True, help="The tenant to sign in to.")
@data_option
def sign_in_link(tenant: str, data: Path | None) -> None:
    """Print a link that signs an administrator of a tenant in, once and within 15 minutes."""
    settings = local_settings(data)
    with local_database(settings) as database:
        click.echo(bootstrap.sign_in_link(database, settings.base_url, tenant))
