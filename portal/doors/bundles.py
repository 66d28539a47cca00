"""OPA's bundle API: a policy bundle as OPA polls it, at once where it has changed, else when it changes."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from litestar import Response
from litestar.params import FromPath
from sqlmodel import Session

from catalog.assets.errors import AssetNotFoundError
from catalog.assets.models import AssetVersion
from catalog.assets.references import AssetReference, is_name, parse_reference
from catalog.assets.service import AssetService
from catalog.attestations.service import SupplyChainAttestationService
from catalog.db import Database
from catalog.distributions.opa_bundles import BundleSigner, BundleUnavailableError, build_bundle
from catalog.providers.blobs import BlobError, open_blobs
from catalog.settings import Settings
from catalog.tenancy import Principal
from portal.boundary import Caller, WebRequest, provide_database, provide_settings, provide_threads
from portal.doors.reading import read_route
from portal.doors.tenancy import check_tenant
from portal.idempotency import has_already

KIND = "policy-bundle"
MEDIA_TYPE = "application/vnd.openpolicyagent.bundles"
"""What tells OPA that it may wait here for a change."""
LONGEST_WAIT = 60.0
"""Seconds; OPA simply asks again, and a token that was revoked meanwhile is refused then."""
_WAIT = re.compile(r"(?:^|[;,\s])wait=([0-9]{1,6})")
_ALGORITHMS = {"ecdsa-p256": ("ES256", 32), "ecdsa-p384": ("ES384", 48), "rsa-2048": ("RS256", 0)}
_ALGORITHMS |= {"rsa-3072": ("RS256", 0), "ed25519": ("EdDSA", 0)}
_KEPT, _KEPT_SIZE = 32, 2 * 1024 * 1024


@dataclass(frozen=True)
class Served:
    """What a poll gets: ``tag`` names version and key, ``archive`` is the digest of the asset's archive."""

    tag: str
    archive: str
    revision: str
    signer_id: str


class RecentBundles:
    """The bundles that were built last, so that a fleet of agents that polls at once has one built for it."""

    def __init__(self) -> None:
        self._built: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, tag: str) -> bytes | None:
        """Return a bundle that was built not long ago."""
        with self._lock:
            found = self._built.get(tag)
            if found is not None:
                self._built.move_to_end(tag)
            return found

    def keep(self, tag: str, bundle: bytes) -> None:
        """Remember a bundle, unless it is large; the oldest makes room."""
        if len(bundle) > _KEPT_SIZE:
            return
        with self._lock:
            self._built[tag] = bundle
            while len(self._built) > _KEPT:
                self._built.popitem(last=False)


def _reference(namespace: str, name: str, wanted: str) -> AssetReference:
    if not is_name(namespace) or not is_name(name):
        raise AssetNotFoundError("There is no policy bundle of that name.")
    spelled = unquote(wanted).strip()
    return parse_reference(f"{namespace}/{name}{'@' if spelled[:1].isdigit() else ''}{spelled}", "/version")


def _look(database: Database, settings: Settings, principal: Principal, reference: AssetReference) -> Served:
    with database.tenant_session(principal.tenant_id) as session:
        version = _version(session, principal, reference)
        signing = SupplyChainAttestationService(session, settings).signing_key(principal.tenant_id)
        key_id = signing.key_id if signing is not None and signing.algorithm in _ALGORITHMS else ""
        # The key belongs to the tenant that asks, so two tenants get two bundles of one public version.
        tag = f"{version.blob_digest}.{principal.tenant_id.hex if key_id else ''}.{key_id.removeprefix('sha256:')[:16]}"
        return Served(tag.strip("."), version.blob_digest, version.version, key_id)


def _version(session: Session, principal: Principal, reference: AssetReference) -> AssetVersion:
    version = AssetService(session).resolve(principal.tenant_id, reference)
    if version.kind != KIND:
        raise AssetNotFoundError("There is no policy bundle of that name.")
    return version


def _build(database: Database, settings: Settings, principal: Principal, served: Served) -> bytes:
    try:
        archive = open_blobs(settings).read(served.archive)
    except BlobError as error:
        raise BundleUnavailableError(f"The bundle cannot be served: {error}") from None
    with database.tenant_session(principal.tenant_id) as session:
        signer = _signer(session, settings, principal) if served.signer_id else None
        return build_bundle(archive, served.revision, signer)


def _signer(session: Session, settings: Settings, principal: Principal) -> BundleSigner | None:
    service = SupplyChainAttestationService(session, settings)
    key = service.signing_key(principal.tenant_id)
    if key is None:
        return None
    algorithm, width = _ALGORITHMS[key.algorithm]

    def sign(message: bytes) -> bytes:
        signature = service.signature(key, message)
        if not width:
            return signature
        first, second = decode_dss_signature(signature)  # a JSON Web Signature has the two numbers side by side
        return first.to_bytes(width, "big") + second.to_bytes(width, "big")

    return BundleSigner(key.key_id, algorithm, sign)


async def _poll(request: WebRequest, reference: AssetReference, principal: Principal) -> Response[Any]:
    database, settings, threads = provide_database(request), provide_settings(request), provide_threads(request)
    wait = _WAIT.search(request.headers.get("prefer", ""))
    until = monotonic() + (min(float(wait[1]), LONGEST_WAIT) if wait else 0.0)
    while True:
        served: Served = await threads.run(_look, database, settings, principal, reference)
        headers = {"ETag": f'"{served.tag}"', "Content-Type": MEDIA_TYPE}
        if not has_already(request.headers.get("if-none-match"), headers["ETag"]):
            break
        left = until - monotonic()
        if left <= 0 or not await request.app.state.streams.wait_for_events(left):
            return Response(b"", status_code=304, media_type=MEDIA_TYPE, headers=headers)
    recent: RecentBundles = request.app.state.recent_bundles
    bundle = recent.get(served.tag)
    if bundle is None:
        bundle = await threads.run(_build, database, settings, principal, served)
        recent.keep(served.tag, bundle)
    return Response(bundle, media_type=MEDIA_TYPE, headers=headers)


@read_route("/bundles/{namespace:str}/{name:str}", "poll_bundle", "A policy bundle, for OPA", MEDIA_TYPE, threads=False)
async def poll_bundle(
    request: WebRequest,
    tenant: FromPath[str],
    namespace: FromPath[str],
    name: FromPath[str],
    principal: Caller,
) -> Response[Any]:
    """Return the newest version of a policy bundle; with ``Prefer: wait=N`` wait until there is another."""
    check_tenant(principal, tenant)
    return await _poll(request, _reference(namespace, name, ""), principal)


@read_route(
    "/bundles/{namespace:str}/{name:str}/{version:str}",
    "poll_bundle_version",
    "A policy bundle within a constraint, for OPA",
    MEDIA_TYPE,
    threads=False,
)
async def poll_bundle_version(
    request: WebRequest,
    tenant: FromPath[str],
    namespace: FromPath[str],
    name: FromPath[str],
    version: FromPath[str],
    principal: Caller,
) -> Response[Any]:
    """Return the newest version that ``version`` allows: one version, or a constraint such as ``~=1.2``."""
    check_tenant(principal, tenant)
    return await _poll(request, _reference(namespace, name, version), principal)
