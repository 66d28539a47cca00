"""Whatever a revision was can be made again, byte for byte; and what merging three ways always holds."""

import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.assets.pipeline_checks import Example, Target, render_example
from catalog.db import Database
from catalog.installs.errors import RevisionDamagedError, UpgradeRefusedError
from catalog.installs.files import File, digest_of, listed, pack, unpack
from catalog.installs.service import InstallService
from catalog.installs.shapes import AskRollback, AskUninstall, AskUpgrade
from catalog.providers.blobs import open_blobs
from tests.workers.installation.conftest import WORKFLOW, Do, Ledger, Repo
from tests.workers.installation.remaking import hold_to_the_ledger
from tests.workers.installation.test_entries import component, strategy
from tests.workers.installation.test_entries import publish as publish_package
from workers.installers.merging import merge, scratch, tree_of

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


WORDS = st.text("abzäé日0 -_.", max_size=12)
SHARES = st.floats(0.001, 0.5).map(lambda each: round(each, 4))
HISTORIES = st.lists(st.tuples(st.sampled_from(["upgrade", "back"]), WORDS, SHARES, WORDS), min_size=1, max_size=2)
SECRET_TOO = '"greeting": {"type": "string", "default": "hello"}, "token": {"type": "string", "writeOnly": true}'


@dataclass(frozen=True)
class Sort:
    """One kind of asset in two versions, and how a history of it is made up."""

    asset: str
    target: Callable[[str], dict[str, str]]
    inputs: Callable[[str, float, str], dict[str, object]]
    publish: Callable[[Any], None]
    first: str = "1.0.0"


def _publish_templates(given: Any) -> None:
    given.publish("1.0.0", properties=SECRET_TOO)
    given.publish("1.1.0", {"build.yml.j2": WORKFLOW, "more.yml": "on: [push]\njobs: {}\n"}, properties=SECRET_TOO)


def _publish_rules(given: Any) -> None:
    for version in ("1.0.0", "1.1.0"):
        given.publish_policy(given.ledger.who, "rules", "deny contains v if { false; v := {} }", version)


def _publish_packages(package: Callable[[str], dict[str, bytes]], *versions: str) -> Callable[[Any], None]:
    def publish_all(given: Any) -> None:
        for version in versions:
            publish_package(given.ledger, given.ledger.who, package(version))

    return publish_all


SORTS = {
    "pipeline-template": Sort(
        "acme/pipeline",
        lambda place: {"repository": place},
        lambda text, _, secret: {"greeting": text, **({"token": secret} if secret else {})},
        _publish_templates,
    ),
    "policy-bundle": Sort("acme/rules", lambda _: {"level": "advisory"}, lambda *_: {}, _publish_rules),
    "deployment-blueprint": Sort(
        "acme/canary",
        lambda _: {"service": "web"},
        lambda _, share, __: {"max_error_rate": share},
        _publish_packages(strategy, "1.0.0", "1.1.0"),
    ),
    "component-package": Sort(
        "acme/net", lambda _: {}, lambda *_: {}, _publish_packages(component, "0.1.0", "0.2.0"), "0.1.0"
    ),
}
"""Environments and stacks take an engine: ``tests/workers/ephemeral_env`` holds them to the same."""


@pytest.mark.parametrize("kind", SORTS)
def test_every_revision_can_be_made_again_from_what_is_stored(
    kind: str, publish: Do, publish_policy: Do, repo: Repo, ledger: Ledger
) -> None:
    sort = SORTS[kind]
    sort.publish(SimpleNamespace(publish=publish, publish_policy=publish_policy, ledger=ledger))
    numbers = itertools.count()

    @settings(max_examples=2, deadline=None, phases=[Phase.generate])
    @given(WORDS, SHARES, WORDS, HISTORIES)
    def histories(words: str, share: float, secret: str, later: list[tuple[str, str, float, str]]) -> None:
        place = repo.path.with_name(f"r{next(numbers)}.git")
        shutil.copytree(repo.path, place)
        given_first = sort.inputs(words, share, secret)
        install = ledger.install(f"{sort.asset}=={sort.first}", sort.target(str(place)), inputs=given_first)
        for verb, new_words, new_share, new_secret in later:
            with suppress(UpgradeRefusedError):  # there may be nothing newer, or nothing else to go back to
                if verb == "upgrade":
                    upgrade = AskUpgrade(inputs=sort.inputs(new_words, new_share, new_secret))
                    ledger.apply(ledger.ask("plan_upgrade", install.id, upgrade))
                else:
                    ledger.apply(ledger.ask("plan_rollback", install.id, AskRollback(revision=1)))
        assert hold_to_the_ledger(ledger, install.id) >= 1
        if sort.target("") != {"repository": ""}:
            assert ledger.apply(ledger.ask("plan_removal", install.id, AskUninstall())).state == "removed"

    histories()


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
