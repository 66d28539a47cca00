"""What holds of every ledger: each revision can be made again, byte for byte, from what is stored and nothing else."""

import hashlib
from uuid import UUID

from catalog.installs.files import canonical, listed, pack
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskRollback, AskUninstall, RevisionRead
from catalog.providers.blobs import open_blobs
from tests.workers.installation.conftest import Ledger
from workers.installers import Bench
from workers.installers.rendering import render
from workers.sandbox.run import Sandbox

NAMES = ("asset", "version", "kind", "digest", "becomes", "place", "target", "lock", "given", "inputs")


def hold_to_the_ledger(ledger: Ledger, *installs: UUID) -> int:
    """Make every revision of installs again, and return how many there were.

    Its files are those that were recorded, by a chain of digests that is whole; its archive has the digest; rendering
    that with the recorded inputs gives the same bytes; and a plan that goes back to it (or that takes away what is
    there) says of it, to the byte, what the ledger says.
    """
    count = 0
    for install_id in installs:
        current = ledger.get(install_id)
        there = current.desired_revision or current.applied_revision
        chain = {each.number: each for each in ledger.revisions(current.id)}
        for revision in chain.values():
            _stored(ledger, current.id, revision)
            if revision.number == there:
                plan = ledger.ask("plan_removal", current.id, AskUninstall())
            elif _same(revision, chain[there or 1]):
                continue  # going back to what is there changes nothing, and is refused
            else:
                plan = ledger.ask("plan_rollback", current.id, AskRollback(revision=revision.number))
            assert plan.problem is None, plan.problem
            found, wanted = ({name: each[name] for name in NAMES} for each in (plan.document, revision.content))
            assert canonical(found) == canonical(wanted)
        count += len(chain)
    return count


def _same(one: RevisionRead, other: RevisionRead) -> bool:
    return all(one.content[name] == other.content[name] for name in ("given", "lock"))


def _stored(ledger: Ledger, install_id: UUID, revision: RevisionRead) -> None:
    blobs, tenant, content = open_blobs(ledger.settings), ledger.who.tenant_id, revision.content
    with ledger.database.tenant_session(tenant) as session:
        service = InstallService(session, ledger.settings)
        kept = service.files_of(tenant, install_id, revision.number, blobs)
    archive = blobs.read(content["digest"].removeprefix("sha256:"))
    assert f"sha256:{hashlib.sha256(archive).hexdigest()}" == content["digest"]
    assert listed(kept) == content["files"]
    if content["kind"] == "pipeline-template":
        bench = Bench(ledger.settings, Sandbox().run, lambda: ledger.database.tenant_session(tenant))
        shown = {name: value for name, value in content["inputs"].items() if "$secret" not in str(value)}
        assert pack(render(archive, shown, bench)) == pack(kept)
