"""``slipway share`` and ``slipway catalog``: who may see an asset, and what a tenant's members choose from."""

from typing import Any

import click

from portal.cli.client import Client, connect, segment
from portal.cli.marketplace import split_reference
from portal.cli.output import Output, json_option, moment

VISIBILITIES = click.Choice(["private", "shared", "public"])
share_with_option = click.option(
    "--share-with", "tenants", multiple=True, metavar="TENANT", help="A tenant that may see it; may be repeated."
)
_asset_argument = click.argument("asset", metavar="NS/NAME")
_reason_option = click.option("--reason", default="", help="Why; members read it.")


def wanted_visibility(visibility: str | None, tenants: tuple[str, ...]) -> str | None:
    """Return who may see an asset, as the options say it; naming tenants alone means sharing with them."""
    if tenants and visibility not in {None, "shared"}:
        raise click.UsageError(f"--share-with goes with --visibility shared, not with {visibility}.")
    return "shared" if tenants else visibility


def send_sharing(client: Client, namespace: str, name: str, visibility: str, tenants: tuple[str, ...]) -> Any:
    """Say who may see an asset, and return the API's answer."""
    body = {"visibility": visibility, "tenants": list(tenants)}
    return client.put(f"/assets/{segment(namespace)}/{segment(name)}/sharing", body)


@click.command("share")
@_asset_argument
@click.option("--visibility", type=VISIBILITIES, help="Who may see it; left out with no tenant, it is only shown.")
@share_with_option
@json_option
def share(asset: str, visibility: str | None, tenants: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show or change who may see an asset of your own; the tenants named are all it is shared with.

    A name that no tenant has is taken like any other and gives nobody access.
    """
    output = Output(as_json=as_json)
    namespace, name = _name(asset)
    wanted = wanted_visibility(visibility, tenants)
    with connect() as client:
        if wanted is None:
            found = client.get(f"/assets/{segment(namespace)}/{segment(name)}/sharing")
        else:
            found = send_sharing(client, namespace, name, wanted, tenants)
    output.result(found, lambda each: output.line(f"{asset} is {shared_as(each)}."))


def shared_as(sharing: dict[str, Any]) -> str:
    """Return who may see an asset, in words."""
    names = ", ".join(sharing["tenants"]) or "nobody yet"
    return {
        "private": "private to your tenant",
        "shared": f"shared with {names}",
        "public": "public",
    }[sharing["visibility"]]


@click.command("show")
@json_option
def show(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show what your tenant decided about the assets of others."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/catalog")
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, catalog: dict[str, Any]) -> None:
    curated = "only your own and adopted assets" if catalog["is_curated"] else "everything that your tenant may see"
    output.line(f"Members see {curated}.")
    if catalog["entries"]:
        output.table(
            ("ASSET", "DECISION", "VERSIONS", "BY", "WHEN", "WHY"),
            [
                (
                    f"{each['namespace']}/{each['name']}",
                    "hidden" if each["hidden"] else "adopted",
                    "none" if each["hidden"] else each["allowed"] or "all",
                    each["changed_by"],
                    moment(each["changed_at"]),
                    each["reason"],
                )
                for each in catalog["entries"]
            ],
        )


@click.command("adopt")
@_asset_argument
@click.option("--allow", "allowed", default="", metavar="SPEC", help="Only these versions, such as >=1.2,<2 or ^1.2.")
@_reason_option
@json_option
def adopt(asset: str, allowed: str, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Let members choose an asset of another publisher, in every version or in a range of them."""
    _decide(asset, {"allowed": allowed, "reason": reason}, as_json=as_json)


@click.command("hide")
@_asset_argument
@_reason_option
@json_option
def hide(asset: str, reason: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Hide an asset of another publisher from members; what runs from it goes on."""
    _decide(asset, {"hidden": True, "reason": reason}, as_json=as_json)


def _decide(asset: str, body: dict[str, Any], *, as_json: bool) -> None:
    output = Output(as_json=as_json)
    namespace, name = _name(asset)
    with connect() as client:
        found = client.put(f"/catalog/{segment(namespace)}/{segment(name)}", body)
    versions = f", versions {found['allowed']}" if found["allowed"] else ""
    output.result(found, lambda _: output.line(f"{asset} is {'hidden' if found['hidden'] else 'adopted'}{versions}."))


@click.command("forget")
@_asset_argument
def forget(asset: str) -> None:
    """Take back what was decided about an asset."""
    namespace, name = _name(asset)
    with connect() as client:
        client.delete(f"/catalog/{segment(namespace)}/{segment(name)}")
    Output().line(f"Nothing is decided about {asset} any more.")


def _mode_command(name: str, help_text: str, *, is_curated: bool) -> click.Command:
    @click.command(name, help=help_text)
    @json_option
    def change(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
        output = Output(as_json=as_json)
        with connect() as client:
            found = client.put("/catalog", {"is_curated": is_curated})
        output.result(found, lambda each: _show(output, each))

    return change


curate = _mode_command("curate", "Let members see only your own and adopted assets.", is_curated=True)
open_ = _mode_command("open", "Let members see everything that your tenant may see.", is_curated=False)


def _name(text: str) -> tuple[str, str]:
    namespace, name, version = split_reference(text)
    if version:
        raise click.BadParameter("name the asset without a version.", param_hint="NS/NAME")
    return namespace, name
