"""``slipway searches``: searches that are kept, with how much is new since they were last run."""

from typing import Any

import click

from portal.cli.client import Client, connect, segment
from portal.cli.errors import CommandError, ExitCode
from portal.cli.marketplace import show_results
from portal.cli.output import Output, json_option, moment

_name_argument = click.argument("search_name", metavar="NAME")


@click.command("save")
@_name_argument
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
@json_option
def save(search_name: str, query: str, as_json: bool, **filters: str | None) -> None:  # noqa: FBT001  # click passes options by name
    """Keep a search for QUERY (everything without one) under NAME."""
    output = Output(as_json=as_json)
    wanted = {name: value for name, value in filters.items() if value is not None}
    with connect() as client:
        saved = client.post("/searches", {"name": search_name, "query": {"q": query, **wanted}})
    output.result(saved, lambda each: output.line(f"{each['name']} is saved."))


@click.command("list")
@json_option
def list_(as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """List the searches that you keep."""
    output = Output(as_json=as_json)
    with connect() as client:
        found = client.get("/searches")
    output.result(found, lambda each: _show(output, each))


def _show(output: Output, found: dict[str, Any]) -> None:
    if not found["items"]:
        output.line("You keep no searches. Save one with: slipway searches save NAME QUERY")
        return
    output.table(
        ("NAME", "NEW", "LAST RUN", "LOOKS FOR"),
        [
            (each["name"], each["fresh"] or "", moment(each["seen_at"]), _words(each["query"]))
            for each in found["items"]
        ],
    )


def _words(query: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in query.items() if value and value != "relevance")


@click.command("run")
@_name_argument
@click.option("--cursor", help="Where to go on, as the search before said.")
@json_option
def run(search_name: str, cursor: str | None, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Run a saved search; whatever it finds counts as seen from now on."""
    output = Output(as_json=as_json)
    with connect() as client:
        params = {"cursor": cursor} if cursor else {}
        found = client.get(f"/searches/{_id_of(client, search_name)}/results", params)
    output.result(found, lambda each: show_results(output, each))


@click.command("rename")
@_name_argument
@click.argument("new_name", metavar="NEW")
@json_option
def rename(search_name: str, new_name: str, as_json: bool) -> None:  # noqa: FBT001  # click passes options by name
    """Give a saved search another name."""
    output = Output(as_json=as_json)
    with connect() as client:
        renamed = client.put(f"/searches/{_id_of(client, search_name)}", {"name": new_name})
    output.result(renamed, lambda each: output.line(f"{search_name} is called {each['name']} now."))


@click.command("delete")
@_name_argument
def delete(search_name: str) -> None:
    """Keep a search no longer."""
    with connect() as client:
        client.delete(f"/searches/{_id_of(client, search_name)}")
    Output().line(f"{search_name} is deleted.")


def _id_of(client: Client, name: str) -> str:
    for each in client.get("/searches")["items"]:
        if name in {each["name"], each["id"]}:
            return segment(str(each["id"]))
    error = CommandError(f"You keep no search called {name}.")
    error.exit_code = ExitCode.NOT_FOUND
    raise error
