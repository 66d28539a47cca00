"""``slipway attest`` and ``slipway verify``: statements about artifacts, and what they prove."""

import hashlib
import json
from pathlib import Path
from typing import Any

import click

from catalog.assets.archive import ARCHIVE_SUFFIX
from catalog.attestations.dsse import read_signed
from catalog.attestations.local_signing import load_private_key, sign_bundle
from catalog.attestations.predicates import ALIASES
from catalog.attestations.signatures import load_public_key
from catalog.attestations.statements import Subject, read_statement
from portal.cli.client import Client, connect
from portal.cli.errors import CommandError
from portal.cli.heads import compare_head
from portal.cli.output import Output, json_option, moment
from portal.cli.proofs import prove

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("attest")
@click.argument("file", metavar="FILE|sha256:DIGEST")
@click.option("--predicate", "content", type=_file, help="What is said about FILE, as JSON; without it FILE is sent.")
@click.option("--type", "kind", help=f"The predicate's type: {', '.join(ALIASES)}, or a URI.")
@click.option("--key", type=_file, help="Sign here, with this private key (PEM); without it Slipway signs.")
@click.option("--password-file", "password", type=_file, help="What unlocks the private key.")
@click.option("--bundle", "target", type=click.Path(path_type=Path), help="Write the signed bundle here, send nothing.")
@json_option
def attest(  # each is an option of its own
    file: str,
    content: Path | None,
    kind: str | None,
    key: Path | None,
    password: Path | None,
    target: Path | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Send a signed statement, or sign one about FILE.

    Without --predicate, FILE is a DSSE envelope or a Sigstore bundle. With it, FILE is an artifact, and what is said
    about it is signed: here with --key, else with your tenant's key. An artifact that is no file here, such as an
    image, is named by its digest.
    """
    output = Output(as_json=as_json)
    if content is None:
        if kind or key or target:
            raise click.UsageError("--type, --key and --bundle go with --predicate.")
        sent = _existing(file).read_bytes()
        with connect() as client:
            output.result(client.post_bytes("/attestations", sent), lambda each: _show(output, each))
        return
    if kind is None:
        raise click.UsageError("Say what the predicate is: --type.")
    said = json.loads(content.read_text(encoding="utf-8")) if content.stat().st_size else {}
    subject = _subject(file)
    predicate_type = ALIASES.get(kind, kind)
    if key is None:
        if target is not None:
            raise click.UsageError("--bundle goes with --key.")
        asked = {
            "subjects": [{"name": subject.name, "algorithm": subject.algorithm, "digest": subject.digest}],
            "predicate_type": predicate_type,
            "predicate": said,
        }
        with connect() as client:
            output.result(client.post("/attestations/sign", asked), lambda each: _show(output, each))
        return
    secret = None if password is None else password.read_bytes().strip()
    bundle = sign_bundle(load_private_key(key.read_bytes(), secret), [subject], predicate_type, said)
    read_statement(read_signed(bundle).envelope)  # refused here is better than refused there
    if target is not None:
        target.write_bytes(bundle)
        output.result(json.loads(bundle), lambda _: output.line(f"{target} says it about {subject.name}."))
        return
    with connect() as client:
        answer = client.post_bytes("/attestations", bundle, {"subject": f"sha256:{subject.digest}"})
    output.result(answer, lambda each: _show(output, each))


def _subject(named: str) -> Subject:
    """Return what is attested: an artifact by its digest, or a file."""
    if named.startswith("sha256:"):
        digest = named.removeprefix("sha256:")
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise click.BadParameter("A SHA-256 digest has 64 digits, in lower case.", param_hint="FILE")
        return Subject(named, "sha256", digest)
    return Subject(Path(named).name, "sha256", hashlib.sha256(_existing(named).read_bytes()).hexdigest())


def _existing(named: str) -> Path:
    path = Path(named)
    if not path.is_file():
        raise click.BadParameter(f"{named!r} is no file.", param_hint="FILE")
    return path


def _show(output: Output, answer: dict[str, Any]) -> None:
    subjects = ", ".join(f"{each['name']} ({each['algorithm']}:{each['digest'][:12]})" for each in answer["subjects"])
    output.line(f"{answer['title']} by {answer['signer']} is evidence about {subjects}.")
    output.facts([("attestation", answer["id"]), ("key", answer["key_id"]), ("identity", answer["identity"])])


@click.command("verify")
@click.argument("subject", metavar="NS/NAME[@VERSION]|FILE|sha256:DIGEST|environments/ID|releases/ID")
@click.option("--policy", type=_file, help="Judge by this trust policy (JSON) instead of your tenant's.")
@click.option("--bundle", "bundles", type=_file, multiple=True, help="Verify here, with this bundle; repeatable.")
@click.option("--key", "keys", type=_file, multiple=True, help="With --bundle: a public key (PEM); repeatable.")
@click.option("--type", "kind", help="With --bundle: the predicate type that it must have.")
@json_option
def verify(  # each is an option of its own
    subject: str,
    policy: Path | None,
    bundles: tuple[Path, ...],
    keys: tuple[Path, ...],
    kind: str | None,
    as_json: bool,  # noqa: FBT001  # click passes options by name
) -> None:
    """Prove an asset, an environment, a release or a file: what was checked, by whose key, and what is missing.

    Exit status 0 means that everything the trust policy asks for is proven. With --bundle and --key nothing is asked
    of anybody: each bundle must be about the file and signed by one of the keys.
    """
    output = Output(as_json=as_json)
    if bundles or keys:
        if not bundles or not keys or policy:
            raise click.UsageError("Offline, give --bundle and --key, and no --policy.")
        given = [load_public_key(path.read_text(encoding="utf-8", errors="replace")) for path in keys]
        found = [prove(path, _digest(subject), given, kind) for path in bundles]
        output.result({"subject": subject, "trusted": True, "checked": found}, lambda _: _show_proofs(output, found))
        return
    name, file_kind = _online(subject)
    asked = {
        "subject": name,
        "kind": file_kind,
        **({"policy": json.loads(policy.read_text(encoding="utf-8"))} if policy is not None else {}),
    }
    with connect() as client:
        judged = client.post("/attestations/verify", asked)
        history = _history(client, judged)
    output.result({**judged, "history": history}, lambda each: _show_judgement(output, each))
    if not judged["trusted"]:
        raise CommandError(f"{subject} is not trusted: what the trust policy asks for is not all proven.")


def _online(subject: str) -> tuple[str, str]:
    """Return how the API is asked about what a person named, and what a digest is taken for."""
    path = Path(subject)
    if path.is_file():
        return f"sha256:{_digest(subject)}", "asset" if path.name.endswith(ARCHIVE_SUFFIX) else "file"
    return subject, "file"


def _digest(subject: str) -> str:
    if subject.startswith("sha256:"):
        return subject.removeprefix("sha256:")
    path = Path(subject)
    if not path.is_file():
        raise click.BadParameter(f"{subject!r} is no file and no sha256:DIGEST.", param_hint="SUBJECT")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _show_proofs(output: Output, found: list[dict[str, Any]]) -> None:
    output.line("Verified, without asking anybody.")
    columns = ("bundle", "evidence", "algorithm", "key_id")
    output.table([each.upper() for each in columns], [[row[each] for each in columns] for row in found])


def _history(client: Client, judged: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the registry's log of an asset proves, compared with what was seen of it before."""
    if judged["kind"] != "asset" or judged["subject"].startswith("sha256:"):
        return None
    name = judged["subject"].partition("@")[0]
    log = client.get(f"/assets/{name}/log")
    if not log["is_sound"]:
        raise CommandError(f"The registry's log of {name} does not hold: {log['fault']}")
    known = compare_head(client.connection.url, name, [each["hash"] for each in log["entries"]])
    if not known:
        raise CommandError(f"The registry's log of {name} was rewritten since it was last looked at from here.")
    return {"entries": len(log["entries"]), "head": log["head"], "key_id": log["key_id"]}


def _show_judgement(output: Output, judged: dict[str, Any]) -> None:
    _show_part(output, judged)
    for part in judged["uses"]:
        output.line()
        _show_part(output, part, "made of ")
    history = judged.get("history")
    if history and history["entries"]:
        output.line()
        count = f"{history['entries']} {'entry' if history['entries'] == 1 else 'entries'}"
        output.line(f"The registry's log has {count}, each following the one before.")


def _show_part(output: Output, judged: dict[str, Any], prefix: str = "") -> None:
    version = judged["policy_version"]
    by = "the given policy" if version is None else f"version {version} of your trust policy"
    verdict = "trusted" if judged["trusted"] else "NOT trusted"
    output.line(f"{prefix}{judged['subject']} is {verdict} under {by}.", style="bold")
    output.facts([("digest", judged["digest"]), ("proven", ", ".join(judged["met"]))])
    if judged["checked"]:
        output.table(
            ("CHECKED", "SIGNER", "KEY OR IDENTITY", "KEY WAS", "WHEN", "COUNTS FOR"),
            [_row(each) for each in judged["checked"]],
        )
    for missing in judged["missing"]:
        output.line(f"missing: {missing['evidence']}. {missing['detail']} {missing['fix']}", style="red")


def _row(checked: dict[str, Any]) -> tuple[object, ...]:
    each = checked["attestation"]
    counts = ", ".join(checked["counts_for"])
    signer = each["signer"] if checked["is_trusted_signer"] else f"{each['signer']} (not named by the policy)"
    who = each["key_id"][:19] or each["issuer"]
    return each["title"], signer, who, each["key_state"], moment(each["signed_at"] or each["received_at"]), counts
