"""Whatever a revision was can be made again, byte for byte; and what merging three ways always holds."""

from collections.abc import Callable
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.assets.pipeline_checks import Example, Target, render_example
from catalog.assets.service import AssetService
from catalog.db import Database
from catalog.installs.errors import RevisionDamagedError
from catalog.installs.files import File, digest_of, listed, pack, unpack
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskUpgrade
from catalog.providers.blobs import open_blobs
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo
from workers.installers import Bench
from workers.installers.merging import merge, scratch, tree_of
from workers.installers.rendering import render
from workers.sandbox.run import Sandbox

NAMES = st.sampled_from(["a.yml", "b.yml", "dir/c.yml", "dir/deep/d.yml", "ä ö.yml"])
LINES = st.lists(st.sampled_from(["one", "two", "three", "", "fünf", "run: make"]), min_size=1, max_size=8)
CONTENT = LINES.map(lambda lines: ("\n".join(lines) + "\n").encode())
FILES = st.dictionaries(NAMES, st.tuples(CONTENT, st.booleans()), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(FILES)
def test_files_come_out_as_they_were_put_in(files: dict[str, File]) -> None:
    assert unpack(pack(files)) == files
    assert pack(dict(reversed(files.items()))) == pack(files)
    assert {each["path"] for each in listed(files)} == set(files)


@given(JSON)
def test_a_digest_does_not_depend_on_the_order_of_names(value: object) -> None:
    def turned(each: object) -> object:
        if isinstance(each, dict):
            return {name: turned(inner) for name, inner in reversed(each.items())}
        return [turned(inner) for inner in each] if isinstance(each, list) else each

    assert digest_of(value) == digest_of(turned(deepcopy(value)))


@given(st.text(max_size=20), st.booleans())
def test_the_same_inputs_render_to_the_same_bytes(greeting: str, flag: bool) -> None:  # noqa: FBT001  # Hypothesis gives it
    template = {"content/x/a.yml.j2": b"g: [[ inputs.greeting ]]\n[% if inputs.flag %]\nf: 1\n[% endif %]\n"}
    example = Example("", {"greeting": greeting, "flag": flag}, None)
    made = [render_example(template, [Target("azure-pipelines", "content/x", ".")], example, {})[0] for _ in range(2)]
    assert made[0] == made[1]


@pytest.fixture(scope="module")
def merged() -> Callable[..., dict[str, tuple[File | None, str]]]:
    """Return what merges in a repository of its own."""

    def run(last: dict[str, File], new: dict[str, File], now: dict[str, File]) -> dict[str, tuple[File | None, str]]:
        with scratch() as place:
            tree = tree_of(place, now)
            return {path: (each.after, each.conflict) for path, each in merge(place, last, new, tree, "new").items()}

    return run


@settings(max_examples=12, deadline=None)
@given(last=FILES, new=FILES)
def test_merging_three_ways(
    merged: Callable[..., dict[str, object]], last: dict[str, File], new: dict[str, File]
) -> None:
    assert merged(last, last, new) == {}  # nothing new: whatever the user has stays
    assert merged(last, new, new) == {}  # it is there already
    forward = merged(last, new, last)  # the user changed nothing: the new render comes as it is
    assert forward == {path: (new.get(path), "") for path in {*last, *new} if last.get(path) != new.get(path)}


@settings(max_examples=12, deadline=None)
@given(last=FILES, new=FILES, other=FILES)
def test_what_nobody_touched_is_merged_as_git_would(
    merged: Callable[..., dict[str, object]], last: dict[str, File], new: dict[str, File], other: dict[str, File]
) -> None:
    now = {f"other/{path}": file for path, file in other.items()} | last
    quick = merged(last, new, now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.installers.merging._is_untouched", lambda *_: False)
        assert merged(last, new, now) == quick


def test_every_revision_is_made_again_from_what_is_stored(
    publish: Do, repo: Repo, ledger: Ledger, work: Callable[..., list[str]], database: Database
) -> None:
    publish()
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)}, inputs={"greeting": "ahoy"})
    repo.merge(install.proposed["branch"])
    work(periodic=True)
    publish("1.1.0", {"build.yml.j2": WORKFLOW, "more.yml": "on: [push]\njobs: {}\n"})
    ledger.apply(ledger.ask("plan_upgrade", install.id, AskUpgrade(inputs={"greeting": "grüezi"})))
    blobs, tenant = open_blobs(ledger.settings), ledger.who.tenant_id
    bench = Bench(ledger.settings, Sandbox().run, lambda: database.tenant_session(tenant))
    with database.tenant_session(tenant) as session:
        service = InstallService(session, ledger.settings)
        for revision in service.revisions(tenant, install.id):
            kept = service.files_of(tenant, install.id, revision.number, blobs)
            content = revision.content
            version = AssetService(session).version(tenant, "acme", "pipeline", content["version"])
            assert content["digest"] == f"sha256:{version.blob_digest}"
            again = render(blobs.read(version.blob_digest), content["inputs"], bench)
            assert pack(again) == pack(kept)
            assert listed(again) == content["files"]


def test_a_revision_that_was_tampered_with_is_noticed(
    publish: Do, repo: Repo, ledger: Ledger, database: Database, database_urls: object
) -> None:
    from sqlalchemy import create_engine  # noqa: PLC0415  # the owner of the tables alone can do this

    publish()
    install = ledger.install("acme/pipeline", {"repository": str(repo.path)})
    engine = create_engine(database_urls.owner)  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE install_revisions NO FORCE ROW LEVEL SECURITY"))
        connection.execute(text("""UPDATE install_revisions SET content = content || '{"version": "9.9.9"}'"""))
    engine.dispose()
    with database.tenant_session(ledger.who.tenant_id) as session, pytest.raises(RevisionDamagedError):
        InstallService(session, ledger.settings).files_of(
            ledger.who.tenant_id, install.id, 1, open_blobs(ledger.settings)
        )
