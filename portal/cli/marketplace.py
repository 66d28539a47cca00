"""Commands about what is in the marketplace: find it, read about it, and end the life of a version."""

import sys
from typing import Any

import click

from catalog.assets.references import is_name
from portal.cli.client import Client, connect, segment
from portal.cli.output import Output, json_option, moment

_version_argument = click.argument("version_reference", metavar="NS/NAME@VERSION")
_reason_option = click.option("--reason", required=True, help="Why; everybody who uses the version reads it.")
_replacement_option = click.option("--replacement", help="What to use instead, such as acme/preview>=2.")

_end_option = click.option("--end-of-life", metavar="YYYY-MM-DD", help="The day from which it counts as archived.")
_link_option = click.option("--link", metavar="URL", help="Where to read more about it.")


_MOST_NAMED = 20
_SEEN_BY = {"private": "its own tenant", "shared": "the tenants it is shared with", "public": "everybody"}


@click.command("search")
@click.argument("query", required=False, default="")
@click.option("--kind", help="Only assets of this kind.")
@click.option("--namespace", help="Only assets of this namespace.")
@click.option("--archetype", help="Only assets for this kind of application.")
@click.option("--cloud", help="Only assets for this cloud.")
@click.option("--license", help="Only assets under this license.")
@click.option("--trust", help="Only assets of publishers that are curated, verified or unverified.")
@click.option("--state", help="Only assets whose newest version is in this state.")
@click.option("--installed", is_flag=True, flag_value="yes", default=None, help="Only what your tenant runs.")
@click.option("--sort", type=click.Choice(["relevance", "newest", "name", "installs"]), help="The order.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@click.option("--cursor", help="Where to go on, as the search before said.")
@json_option
def search(query: str, as_json: bool, **filters: str | int | None) -> None:  # noqa: FBT001  # click passes options by name
    """Search the marketplace for QUERY (everything without one); each word may be the beginning of one."""
    output = Output(as_json=as_json)
    params = {"q": query, **{name: value for name, value in filters.items() if value is not None}}
    with connect() as client:
        found = client.get("/assets", params)
    output.result(found, lambda each: show_results(output, each))


def show_results(output: Output, found: dict[str, Any]) -> None:
    """Print what a search has found."""
    items = found["items"]
    if not items:
        output.line("Nothing was found.")
        if found.get("suggestions"):
            output.line(f"Did you mean {' or '.join(found['suggestions'])}?")
        for hint in found.get("hints", []):
            output.line(_way_out(hint))
        return
    output.table(
        ("ASSET", "LATEST", "KIND", "SUMMARY"),
        [
            (
                f"{each['namespace']}/{each['name']}",
                each["latest_version"] or "none in your range",
                each["kind"],
                each["summary"],
            )
            for each in items
        ],
    )
    output.more(found.get("next_cursor"))


def _way_out(hint: dict[str, Any]) -> str:
    """Say how many there are without the words or without one filter, which is named as the option that sets it."""
    remove, value, count = hint["remove"], hint["value"], hint["count"]
    option = f"--{remove}" if remove == "installed" else f"--{remove} {value}"
    without = f"the words “{value}”" if remove == "q" else option
    return f"Without {without} there {'is' if count == 1 else 'are'} {count}."


@click.command("show")
@click.argument("reference", metavar="NS/NAME[@VERSION]")
@json_option
def show(reference: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Show an asset with its versions, or one version of it."""
    output = Output(as_json=as_json)
    namespace, name, version = split_reference(reference)
    path = f"/assets/{namespace}/{name}"
    with connect() as client:
        if version:
            found = client.get(f"{path}/versions/{segment(version)}")
            output.result(found, lambda each: _show_version(output, each))
        else:
            found = client.get(path)
            output.result(found, lambda each: _show_asset(output, client, each))


def _show_asset(output: Output, client: Client, asset: dict[str, Any]) -> None:
    output.line(asset["display_name"], style="bold")
    output.line(asset["summary"])
    output.facts(
        [
            ("asset", f"{asset['namespace']}/{asset['name']}"),
            ("kind", asset["kind"]),
            ("latest", asset["latest_version"]),
            ("visible to", _SEEN_BY[asset["visibility"]]),
            ("license", asset["license"]),
            ("keywords", ", ".join(asset["keywords"])),
        ]
    )
    versions = client.get(f"/assets/{asset['namespace']}/{asset['name']}/versions")
    output.line()
    output.table(
        ("VERSION", "STATE", "PUBLISHED", "WHY"),
        [
            (each["semver"], each["state"], moment(each["published_at"]), each["state_reason"])
            for each in versions["items"]
        ],
    )
    if versions.get("next_cursor"):
        output.note("Older versions are on the asset's page.")


def _show_version(output: Output, version: dict[str, Any]) -> None:
    metadata = version["manifest"]["metadata"]
    output.line(f"{metadata['displayName']} {version['semver']}", style="bold")
    output.line(metadata["summary"])
    output.facts(
        [
            ("asset", f"{version['namespace']}/{version['name']}@{version['semver']}"),
            ("kind", version["kind"]),
            ("state", version["state"]),
            ("why", version["state_reason"]),
            ("use instead", version["replacement"]),
            ("end of life", version["end_of_life"]),
            ("read more", version["state_link"]),
            ("published", f"{moment(version['published_at'])} by {version['published_by']}"),
            ("license", metadata["license"]),
            ("digest", f"sha256:{version['blob_digest']}"),
            ("size", f"{version['packed_size']:,} bytes, {len(version['files'])} files"),
        ]
    )
    properties = version["input_schema"].get("properties", {})
    if properties:
        required = version["input_schema"].get("required", [])
        output.line()
        output.table(
            ("INPUT", "TYPE", "DEFAULT", "WHAT"), [_input(key, each, required) for key, each in properties.items()]
        )
    if version["readme"]:
        output.line()
        output.line(version["readme"].rstrip())


def _input(name: str, schema: dict[str, Any], required: list[str]) -> tuple[object, ...]:
    kind = schema.get("type") or ("one of " + ", ".join(map(str, schema["enum"])) if "enum" in schema else "")
    default = "required" if name in required and "default" not in schema else schema.get("default")
    return name, kind, default, schema.get("title") or schema.get("description")


def _life_command(name: str, help_text: str) -> click.Command:
    """Return the command that moves a version to another state of its life."""

    @click.command(name, help=help_text)
    @_version_argument
    @_reason_option
    @_replacement_option
    @_end_option
    @_link_option
    @click.option("--yes", is_flag=True, help="Do it without asking.")
    @json_option
    def move(*, version_reference: str, reason: str, yes: bool, as_json: bool, **more: str | None) -> None:
        output = Output(as_json=as_json)
        namespace, asset, version = split_reference(version_reference)
        if not version:
            raise click.BadParameter("name one version, such as acme/preview@1.4.0.", param_hint="NS/NAME@VERSION")
        body = {"reason": reason, **{key: value for key, value in more.items() if value}}
        with connect() as client:
            if name != "restore" and not yes and sys.stdin.isatty():
                affected = client.get(f"/assets/{namespace}/{asset}/used-by", {"version": version})
                _show_before(output, affected)
                click.confirm(f"{name.capitalize()} {version_reference}?", abort=True, err=True)
            moved = client.post(f"/assets/{namespace}/{asset}/versions/{segment(version)}/{name}", body)
        output.result(moved, lambda each: _show_moved(output, each, version_reference))

    return move


def _show_before(output: Output, affected: dict[str, Any]) -> None:
    """Say who will be hit, on standard error, before anything is asked."""
    told = _who_is_hit(affected)
    output.note(f"Affected: {', '.join(told)}." if told else "Nothing that you can see uses it.")
    named = [f"{each['label']} runs {each['version']}" for each in affected["uses"]]
    named += [
        f"{each['namespace']}/{each['name']} {each['version']} needs {each['needs']}" for each in affected["dependents"]
    ]
    for each in named[:_MOST_NAMED]:
        output.note(f"  {each}")
    if len(named) > _MOST_NAMED:
        output.note(f"  and {len(named) - _MOST_NAMED} more: slipway used-by")


def _show_moved(output: Output, moved: dict[str, Any], reference: str) -> None:
    output.line(f"{reference} is {moved['state']}.")
    told = _who_is_hit(moved["affected"])
    if told:
        output.line(f"Affected: {', '.join(told)}.")


def _who_is_hit(affected: dict[str, Any]) -> list[str]:
    """Return how many of what are affected, and whose they are."""
    counts = [
        (affected["installs"], "install"),
        (affected["environments"], "environment"),
        (len(affected["dependents"]), "dependent asset version"),
    ]
    told = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count]
    if affected["other_tenants"]:
        told.append(f"at least {affected['other_tenants']} other tenants")
    return told + ([f"owned by {', '.join(affected['owners'])}"] if affected["owners"] else [])


@click.command("used-by", help="Say who uses an asset, in one version or in any: who is hit if it is yanked.")
@click.argument("reference", metavar="NS/NAME[@VERSION]")
@json_option
def used_by(reference: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List installs, environments and assets that use an asset."""
    output = Output(as_json=as_json)
    namespace, asset, version = split_reference(reference)
    with connect() as client:
        found = client.get(f"/assets/{namespace}/{asset}/used-by", {"version": version} if version else None)
    output.result(found, lambda each: _show_users(output, each))


def _show_users(output: Output, affected: dict[str, Any]) -> None:
    told = _who_is_hit(affected)
    output.line(f"{', '.join(told)}." if told else "Nothing that you can see uses it.")
    if affected["uses"]:
        used = [(each["label"], each["version"], each["service"], each["owner"]) for each in affected["uses"]]
        output.table(("USE", "VERSION", "SERVICE", "OWNER"), used)
    if affected["dependents"]:
        rows = [
            (f"{each['namespace']}/{each['name']}", each["version"], each["needs"]) for each in affected["dependents"]
        ]
        output.table(("ASSET", "VERSION", "NEEDS"), rows)


deprecate = _life_command("deprecate", "Advise against a version: it is chosen only where there is no other.")
retire = _life_command("retire", "Archive a version: it is no longer maintained, and chosen by exact pin only.")
yank = _life_command("yank", "Keep a version from being chosen anew, except by those who pin it exactly.")
revoke = _life_command("revoke", "Forbid a version: it is never chosen again.")
quarantine = _life_command("quarantine", "Neither choose nor hand out a version, until it is restored.")
restore = _life_command("restore", "Take a deprecation, yank, archiving or quarantine back.")


def split_reference(text: str) -> tuple[str, str, str]:
    """Return namespace, name and version ("" where none is given) of ``NS/NAME[@VERSION]``."""
    asset, _, version = text.partition("@")
    namespace, slash, name = asset.partition("/")
    if not slash or not is_name(namespace) or not is_name(name):
        raise click.BadParameter(f"{text!r} does not name an asset; write NS/NAME or NS/NAME@VERSION.")
    return namespace, name, version
