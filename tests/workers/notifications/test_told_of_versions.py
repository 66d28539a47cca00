"""Whoever runs a version is named before its state changes, and told after it: event, webhook, feed and notice."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.models import ChangeVersionState, Visibility
from catalog.assets.references import parse_reference
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.notifications.models import CreateSubscription
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from portal.atom import render_atom
from workers import asset_life, notifications
from workers.main import App
from workers.runtime.drain import drain
from workers.runtime.registry import registry

Office = Any
Receiver = Any
STEPS = {
    "deprecate": "deprecated",
    "yank": "yanked",
    "retire": "archived",
    "revoke": "revoked",
    "quarantine": "quarantined",
    "restore": "published",
}


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """What tells those who run a version, and what carries it to their webhooks."""
    made = App(settings, registry([notifications.WORKER, asset_life.WORKER]))
    yield made
    made.close()


def publish(office: Office, version: str) -> None:
    """Publish a public blueprint of acme's."""
    files = dict(skeleton("deployment-blueprint", "acme", "shop"))
    files["asset.yaml"] = files["asset.yaml"].replace(b"version: 0.1.0", f"version: {version}".encode())
    archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
    with office.database.tenant_session(office.acme.tenant_id) as session:
        uploads = UploadService(session, open_blobs(office.settings))
        uploads.receive(office.acme, io.BytesIO(archive), Visibility.PUBLIC)


def use(office: Office, who: Principal, version: str) -> None:
    """Let an environment of a tenant's run a version."""
    with office.database.tenant_session(who.tenant_id) as session:
        assets = AssetService(session)
        found = assets.resolve(who.tenant_id, parse_reference(f"acme/shop=={version}"))
        assets.use(who.tenant_id, f"environments/{version}", f"pr-{version}", [found])


def test_everybody_is_named_before_and_told_after_by_every_way(
    office: Office, receiver: Receiver, app: App, rival: Principal
) -> None:
    asked = {"name": "versions", "channel": "webhook", "topics": ["asset_use.affected"], "target": receiver.url}
    for who in (rival, office.acme):
        office.call("subscribe", who, CreateSubscription.model_validate(asked), tenant=who.tenant_id)
    for number, (verb, state) in enumerate(STEPS.items(), 1):
        version, reason = f"{number}.0.0", f"It was time to {verb}."
        publish(office, version)
        use(office, rival, version)
        receiver.got.clear()
        with office.database.tenant_session(office.acme.tenant_id) as session:
            assets = AssetService(session)
            if verb == "restore":
                assets.yank(office.acme, "acme", "shop", version, ChangeVersionState(reason="By mistake."))
        while drain(app):
            pass
        receiver.got.clear()
        with office.database.tenant_session(office.acme.tenant_id) as session:
            assets = AssetService(session)
            before = assets.used_by(office.acme.tenant_id, "acme", "shop", version)
            change = ChangeVersionState(reason=reason)
            moved = getattr(assets, verb)(office.acme, "acme", "shop", version, change)
        assert moved.affected == before
        while drain(app):
            pass

        ((_, body),) = receiver.got
        told = json.loads(body)
        assert (told["type"], told["tenantid"]) == ("dev.slipway.asset_use.affected.v1", str(rival.tenant_id))
        assert {name: told["data"][name] for name in ("namespace", "name", "version", "state", "reason", "uses")} == {
            "namespace": "acme",
            "name": "shop",
            "version": version,
            "state": state,
            "reason": reason,
            "uses": [f"environments/{version}"],
        }
        with office.database.tenant_session(rival.tenant_id) as session:
            assets = AssetService(session)
            feed = assets.changes_feed(rival.tenant_id, installed=True)
            notices = assets.notices(rival.tenant_id, f"environments/{version}")
        newest = feed.entries[0]
        assert (newest.version, newest.state, newest.is_new) == (version, state, False)
        assert reason in render_atom(feed, "http://slipway.test", "http://slipway.test/feed").decode()
        noticed = [] if verb == "restore" else [(version, state, reason)]
        assert [(each.version, each.state, each.reason) for each in notices] == noticed
        with office.database.tenant_session(office.acme.tenant_id) as session:
            own = AssetService(session).changes_feed(office.acme.tenant_id, installed=True)
        assert own.entries == []
