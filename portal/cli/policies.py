"""``slipway policy``: questions to the policies of a tenant."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from portal.cli.client import connect, segment
from portal.cli.errors import CommandError, ExitCode
from portal.cli.output import Output, json_option

_STYLES = {"mandatory": "red", "mandatory-with-override": "red", "advisory": "yellow"}


@click.command("evaluate")
@click.option("--bundle", metavar="NS/NAME[SPEC]", help="The bundle to ask, such as slipway/baseline@1.0.0.")
@click.option("--input", "document", metavar="FILE", help="A JSON file with the input (- is standard input).")
@click.option("--release", metavar="ID", help="Ask about a release.")
@click.option("--environment", metavar="ID", help="Ask about an environment.")
@json_option
def evaluate(  # click passes options by name
    bundle: str | None,
    document: str | None,
    release: str | None,
    environment: str | None,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Ask one bundle about an input, or everything that is bound about a release or an environment.

    Ends with 0 where it is allowed, 1 where it is denied, 3 where a person may override it.
    """
    output = Output(as_json=as_json)
    named = {"bundle": bundle, "release": release, "environment": environment}
    body: dict[str, Any] = {name: value for name, value in named.items() if value}
    if document is not None:
        body["input"] = _read(document)
    with connect() as client:
        said = client.post("/policies/evaluate", body)
    output.result(said, lambda each: _show(output, each))
    if said["allowed"]:
        return ExitCode.DONE
    return ExitCode.NEEDS_APPROVAL if said["level"] == "mandatory-with-override" else ExitCode.REFUSED


@click.command("statement")
@click.argument("evaluation")
@click.option(
    "--type", "kind", type=click.Choice(["vsa", "policy-decision"]), help="Which of the two; left out, the first."
)
@click.option(
    "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the signed bundle here."
)
@json_option
def statement(
    evaluation: str,
    kind: str | None,
    target: Path | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Fetch what Slipway signed of a gate's decision: a SLSA verification summary, or the whole of the decision.

    The bundle is what slipway verify --bundle and cosign verify-blob-attestation take.
    """
    output = Output(as_json=as_json)
    with connect() as client:
        said = client.post(f"/policies/evaluations/{segment(evaluation)}/statements")["items"]
        wanted = next((each for each in said if kind in {None, each["evidence"]}), None)
        if wanted is None:
            known = ", ".join(each["evidence"] for each in said)
            raise CommandError(
                f"There is no {kind} of this decision, because it is about no artifact; there is {known}."
            )
        bundle = client.get_bytes(f"/attestations/{wanted['id']}/envelope")
    if target is not None:
        target.write_bytes(bundle)
    output.result(wanted, lambda each: _show_statement(output, each, target))


def _show_statement(output: Output, said: dict[str, Any], target: Path | None) -> None:
    output.line(f"{said['title']} by {said['signer']}", style="bold")
    subjects = ", ".join(f"{each['name']} ({each['algorithm']}:{each['digest']})" for each in said["subjects"])
    output.facts([("about", subjects), ("key", said["key_id"]), ("attestation", said["id"])])
    if target is not None:
        output.note(f"Wrote {target}.")


def _show(output: Output, said: dict[str, Any]) -> None:
    output.line("allowed" if said["allowed"] else "denied", style="bold green" if said["allowed"] else "bold red")
    for each in said["violations"]:
        output.line(f"{each['level']}  {each['rule']}  {each['message']}", style=_STYLES.get(each["level"], ""))
        for part in (each["path"], each["remediation"]):
            if part:
                output.line(f"    {part}")
    for kind in ("waived", "overridden", "shadow"):
        for each in said[kind]:
            output.line(f"{kind}  {each['rule']}  {each['message']}", style="dim")
    names = ", ".join(f"{each['asset']} {each['version']}" for each in said["bundles"]) or "nothing that is bound"
    output.note(f"Asked: {names}. Evaluation {said['evaluation']}", style="dim")


def _read(name: str) -> Any:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{name} cannot be read: {error}.", param_hint="--input") from None
    except ValueError as error:
        raise click.BadParameter(f"{name} is not JSON: {error}.", param_hint="--input") from None
