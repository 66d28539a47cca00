"""``slipway login``: which Slipway to speak to from now on, and with which token."""

import sys
from pathlib import Path

import click

from catalog.tenancy import ALL_SCOPES
from catalog.tenants import bootstrap
from portal.cli.client import Client
from portal.cli.connection import ClientSettings, Connection, check_url, store, stored
from portal.cli.errors import CommandError, ProblemError
from portal.cli.installation import data_option, local_settings
from portal.cli.local_database import local_database
from portal.cli.output import Output, json_option

_DAYS = 90


@click.command("login")
@click.option("--url", help="The address of the portal (SLIPWAY_URL), such as http://127.0.0.1:8000.")
@click.option("--local", is_flag=True, help="Make a token for the Slipway that runs on this machine.")
@click.option(
    "--tenant", default=bootstrap.DEFAULT_TENANT, show_default=True, help="With --local: the tenant to act in."
)
@data_option
@json_option
def login(url: str | None, local: bool, tenant: str, data: Path | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Remember which Slipway to speak to, and with which token.

    The token is read from standard input, or asked for on a terminal; SLIPWAY_URL and SLIPWAY_TOKEN, where set, go
    before what is remembered.
    """
    output = Output(as_json=as_json)
    connection = _local(tenant, url, data) if local else _given(url)
    with Client(connection) as client:
        holder = client.get("/tokens/self")
    path = store(connection)
    if connection.url.startswith("http://") and not connection.is_loopback:
        output.note("This address is not encrypted: the token can be read on the way.", style="yellow")
    output.result(
        holder, lambda each: output.line(f"Signed in to {connection.url} as {each['tenant']} (kept in {path}).")
    )


def _given(url: str | None) -> Connection:
    address = url or ClientSettings().url
    if not address:
        raise click.UsageError("Give the portal's address with --url, or use --local on the machine that it runs on.")
    address = check_url(address)
    token = click.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise click.UsageError("Give the token on standard input, for instance: slipway login --url URL < token-file.")
    return Connection(address, token.strip())


def _local(tenant: str, url: str | None, data: Path | None) -> Connection:
    """Return a connection to the Slipway of this machine, with the token that is stored where that still serves."""
    settings = local_settings(data)
    address = check_url(url or settings.base_url)
    try:
        kept = stored()
    except CommandError:
        kept = None
    if kept is not None and kept.url == address and _holds(kept, tenant):
        return kept
    with local_database(settings) as database:
        secret = bootstrap.create_token(database, tenant, "slipway login", sorted(ALL_SCOPES), _DAYS)
    return Connection(address, secret)


def _holds(connection: Connection, tenant: str) -> bool:
    with Client(connection) as client:
        try:
            return bool(client.get("/tokens/self")["tenant"] == tenant)
        except ProblemError:
            return False
