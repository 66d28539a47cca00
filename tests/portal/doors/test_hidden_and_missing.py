"""What another tenant hides cannot be told from what does not exist: same answer, and the same work for it.

Each door is asked for something that another tenant keeps to itself, and for something that is not there. Status,
headers and body have to be the same, and so have the statements that the database gets, in number and in shape: where
they are, there is no difference in time that the database could make.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy.engine import Engine

from catalog.assets.archive import PackageFile, build_archive
from catalog.assets.artifacts import NOTHING_DERIVED
from catalog.assets.check import check_archive
from catalog.assets.curation.models import ShareAsset
from catalog.assets.kinds import kinds
from catalog.assets.models import Visibility
from catalog.assets.service import AssetService
from catalog.assets.skeletons import skeleton
from catalog.db import Database
from catalog.providers.blobs import open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from catalog.uploads.service import UploadService
from tests.statements import statements

Client = TestClient[Litestar]
NewClient = Callable[..., Client]
HIDDEN, MISSING, WARM = "qjxkvb", "zpwmht", "xgfydn"
"""Names of one length that stand in no page by chance. The last is asked for first, so that nothing is new after it."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
KINDS = {"deployment-blueprint": "", "policy-bundle": "-rules", "component-package": "-wheel"}


@dataclass(frozen=True)
class Door:
    """One way in; ``{name}`` is filled in everywhere. ``json`` is sent as it is, ``sent`` makes files of a form."""

    path: str
    json: Any = None
    form: Mapping[str, str] | None = None
    sent: Callable[[str], bytes] | None = None
    page: bool = False

    @property
    def label(self) -> str:
        """How the door is called in results."""
        return f"{'page ' if self.page else ''}{self.path}"


def depending(name: str) -> bytes:
    """Return a blueprint of acme's that needs the asset of that name."""
    files = dict(kinds()["deployment-blueprint"].skeleton("acme", "needs"))
    part = f"dependencies: [{{asset: rival/{name}, kind: deployment-blueprint, version: '>=0', alias: part}}]\n"
    manifest = files["asset.yaml"].decode() + part
    web = "    components:\n"
    assert manifest.count(web) == 1
    files["asset.yaml"] = manifest.replace(web, f"{web}      inner: {{type: blueprint, uses: part}}\n").encode()
    return build_archive({path: PackageFile(data) for path, data in files.items()}).data


ASSET = "/api/v1/assets/rival/{name}"
DOORS = [
    *(Door(ASSET + rest) for rest in ("", "/versions", "/versions/latest", "/versions/0.1.0", "/used-by", "/log")),
    *(Door(f"{ASSET}/versions/0.1.0/{rest}") for rest in ("archive", "examples", "artifacts", "artifacts/x.json")),
    Door(f"{ASSET}/versions/0.1.0/diff/latest"),
    Door(f"{ASSET}/sharing"),
    Door("/api/v1/overlays/rival/{name}/inputs"),
    Door("/api/v1/assets?q={name}"),
    Door("/api/v1/assets?q=rival/{name}&kind=deployment-blueprint"),
    Door("/api/v1/assets?namespace=rival&q={name}"),
    Door("/api/v1/assets/resolve", json={"requirements": ["rival/{name}>=0"]}),
    Door("/api/v1/installs/plan", json={"asset": "rival/{name}", "target": {"service": "web"}}),
    Door("/api/v1/assets", sent=depending),
    Door("/assets/rival/{name}", page=True),
    Door("/assets/rival/{name}?tab=versions", page=True),
    Door("/assets/rival/{name}/compare", page=True),
    Door("/assets/rival/{name}/file?version=0.1.0&path=README.md", page=True),
    Door("/assets/rival/{name}/access", page=True),
    Door("/assets?q={name}", page=True),
    Door("/environments/new?blueprint=rival/{name}", page=True),
    Door("/installs/new?asset=rival/{name}", page=True),
    Door("/overlays/rival/{name}", page=True),
    Door("/catalog?asset=rival/{name}", page=True),
    Door("/t/acme/feeds/assets/rival/{name}"),
    Door("/t/acme/feeds/search?q={name}"),
    Door("/t/acme/simple/rival-{name}-wheel/"),
    Door("/t/acme/bundles/rival/{name}-rules"),
    Door("/v2/rival/{name}/tags/list"),
    Door("/v2/rival/{name}/manifests/0.1.0"),
    *(Door(f"/v2/rival/{{name}}/{kind}/sha256:{'0' * 64}") for kind in ("manifests", "blobs", "referrers")),
    Door("/api/v1/namespaces/{name}"),
    Door("/assets/{name}", page=True),
    Door("/t/acme/feeds/publishers/{name}"),
    Door("/api/v1/transfers/export", json={"requirements": ["rival/{name}"]}),
    Door(
        "/api/v1/environments/ephemeral",
        json={"repository": "/srv/hello", "pull_request": 1, "blueprint": "rival/{name}"},
    ),
    Door("/api/v1/policies/bindings", json={"bundle": "rival/{name}-rules", "scope": {"kind": "tenant"}}),
    *(
        Door(f"/api/v1/assets/acme/own/versions/0.1.0/{verb}", json={"reason": "Old.", "replacement": "rival/{name}"})
        for verb in ("deprecate", "yank", "retire", "quarantine", "revoke")
    ),
]


@pytest.fixture
def hidden(database: Database, settings: Settings, rival: Principal) -> None:
    """Publish an asset of three kinds, and a publisher of that name, which only their own tenant may see.

    Those of the three kinds had been shared with those who ask, and are so no more.
    """
    wanted = [*(("rival", f"{HIDDEN}{ending}", kind) for kind, ending in KINDS.items())]
    for namespace, name, kind in (*wanted, (HIDDEN, "thing", "deployment-blueprint")):
        files = dict(kinds()[kind].skeleton(namespace, name))
        archive = build_archive({path: PackageFile(data) for path, data in files.items()}).data
        checked = check_archive(archive)
        with database.tenant_session(rival.tenant_id) as session:
            uploads = UploadService(session, open_blobs(settings))
            taken = uploads.receive(rival, io.BytesIO(archive), None)
            if taken.version is None and taken.upload is not None:
                # What the sandbox would derive is not the matter here.
                uploads.conclude(rival.tenant_id, taken.upload.id, checked, [], NOTHING_DERIVED)
    for tenants in (["acme"], []):
        with database.tenant_session(rival.tenant_id) as session:
            visibility = Visibility.SHARED if tenants else Visibility.PRIVATE
            for _, name, _ in wanted:
                AssetService(session).share(rival, "rival", name, ShareAsset(visibility=visibility, tenants=tenants))


@dataclass(frozen=True)
class Said:
    """What a door said about a name, without the name, and what it asked of the database."""

    status: int
    headers: Mapping[str, str]
    body: str
    asked: tuple[str, ...]


def differences(hidden: Said, missing: Said) -> Iterator[str]:
    """Yield where two answers differ, each in a few words."""
    for name in ("status", "headers", "body", "asked"):
        one, other = str(getattr(hidden, name)), str(getattr(missing, name))
        if one != other:
            pairs = enumerate(zip(one, other, strict=False))
            at = next((each for each, (a, b) in pairs if a != b), min(len(one), len(other)))
            yield f"{name}: ...{one[max(0, at - 80) : at + 80]!r} is not ...{other[max(0, at - 80) : at + 80]!r}"


def ask(client: Client, engine: Engine, door: Door, name: str) -> Said:
    """Ask a door about a name."""
    path = door.path.replace("{name}", name)
    if door.sent is not None:
        archive = ("a.tar.gz", door.sent(name), "application/gzip")
        with statements(engine) as asked:
            answer = client.post(path, files={"archive": archive})
    elif door.json is not None:
        content = json.loads(json.dumps(door.json).replace("{name}", name))
        with statements(engine) as asked:
            answer = client.post(path, json=content)
    else:
        with statements(engine) as asked:
            answer = client.get(path, follow_redirects=False)
    own = {answer.headers.get("x-request-id", ""), answer.headers.get("etag", "")} - {""}
    # Identities of feeds are made from what was asked for.
    body = _UUID.sub("<uuid>", answer.text.replace(name, "<name>"))
    for each in own:
        body = body.replace(each, "<own>")
    headers = {key: value.replace(name, "<name>") for key, value in answer.headers.items()}
    kept = {key: value for key, value in headers.items() if key not in {"x-request-id", "etag", "date"}}
    return Said(answer.status_code, kept, body, tuple(asked))


@pytest.mark.usefixtures("hidden")
def test_what_is_hidden_cannot_be_told_from_what_is_missing(
    portal: Litestar, browser: Client, client_of: NewClient, acme: Principal, rival: Principal
) -> None:
    assert client_of(rival).get(ASSET.format(name=HIDDEN)).status_code == 200, "it is there for its own tenant"
    program = client_of(acme)
    own = build_archive(
        {path: PackageFile(data) for path, data in skeleton("deployment-blueprint", "acme", "own").items()}
    )
    sent = program.post("/api/v1/assets", files={"archive": ("a.tar.gz", own.data, "application/gzip")})
    assert sent.status_code == 201, sent.text
    engine = portal.state.database.app
    told: dict[str, list[str]] = {}
    for door in DOORS:
        client = browser if door.page else program
        ask(client, engine, door, WARM)
        hidden, missing = (ask(client, engine, door, name) for name in (HIDDEN, MISSING))
        assert missing.asked, f"{door.label} asks the database nothing, so that nothing is proven"
        if found := list(differences(hidden, missing)):
            told[door.label] = found
    assert told == {}
