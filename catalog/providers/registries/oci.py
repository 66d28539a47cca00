"""A client of OCI registries (distribution specification 1.1): images by digest, and referrers."""

import base64
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from catalog.providers.registries import LARGEST_IMAGE, Access, RegistryError
from catalog.providers.websites import Reply, WebsiteError, ask

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
EMPTY, EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"
_ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"
_LARGEST_MANIFEST = 4 * 1024 * 1024
_MOST_LAYERS = 200
_MOST_REFERRERS = 1000
_SECONDS = 120.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class OciRegistry:
    """One repository of a registry. Every method raises `RegistryError`; whatever comes is compared with its digest."""

    def __init__(self, access: Access, repository: str) -> None:
        if len(repository) > 255 or _REPOSITORY.fullmatch(repository) is None:
            raise RegistryError(f"{repository[:100]} is not the name of a repository.")
        self._access = access
        self._repository = repository
        self._root = f"https://{access.host}/v2/{repository}"
        self._authorization = ""

    def image(self, digest: str) -> bytes:
        """Return the image of a digest (``sha256:...``) as an OCI layout in tar.

        Of an image for several platforms it is the one for Linux on amd64, or the first. The layout names the
        manifest that was chosen.
        """
        manifest, data = self._manifest(digest)
        if "manifests" in manifest:
            digest = _platform(manifest)
            manifest, data = self._manifest(digest)
        parts = [manifest.get("config", {}), *list(manifest.get("layers", ()))]
        if len(parts) > _MOST_LAYERS:
            raise RegistryError(f"The image has more than {_MOST_LAYERS} layers.")
        size = sum(each.get("size", 0) if isinstance(each.get("size"), int) else LARGEST_IMAGE for each in parts)
        if size > LARGEST_IMAGE:
            raise RegistryError(f"The image has {size >> 20} MiB; at most {LARGEST_IMAGE >> 20} MiB are looked into.")
        kind = str(manifest.get("mediaType") or MANIFEST)
        index = {"schemaVersion": 2, "manifests": [{"mediaType": kind, "digest": digest, "size": len(data)}]}
        files = {
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            "index.json": json.dumps(index).encode(),
            _path(digest): data,
        }
        for each in parts:
            found = str(each.get("digest", ""))
            files[_path(found)] = self._blob(found, int(each["size"]))
        return _packed(files)

    def refer(self, subject: str, statement: bytes, statement_type: str, annotations: Mapping[str, str]) -> str:
        """Attach a signed statement to the manifest ``subject``, and return the digest of the referrer.

        It is a manifest of its own whose one layer is the statement, byte for byte. Doing so again changes nothing.
        Where the registry does not list referrers itself, they are listed under the fallback tag.
        """
        _, about = self._manifest(subject)
        kind = json.loads(about).get("mediaType") or MANIFEST
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": statement_type,
            "config": self._push(EMPTY, EMPTY_TYPE),
            "layers": [self._push(statement, statement_type)],
            "subject": {"mediaType": kind, "digest": subject, "size": len(about)},
            "annotations": dict(annotations),
        }
        data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
        digest = _digest(data)
        answer = self._put_manifest(digest, data, MANIFEST)
        if answer.headers.get("oci-subject") != subject:
            listed = {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": len(data),
                "artifactType": statement_type,
                "annotations": dict(annotations),
            }
            self._list_in_tag(subject, listed)
        return digest

    def _list_in_tag(self, subject: str, listed: Mapping[str, Any]) -> None:
        tag = subject.replace(":", "-")
        answer = self._ask("GET", f"/manifests/{tag}", {"Accept": INDEX}, largest=_LARGEST_MANIFEST)
        known = _read(answer.body).get("manifests", []) if answer.status == 200 else []
        if any(each.get("digest") == listed["digest"] for each in known):
            return
        manifests = [*known, dict(listed)][-_MOST_REFERRERS:]
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).encode()
        self._put_manifest(tag, data, INDEX)

    def _put_manifest(self, reference: str, data: bytes, kind: str) -> Reply:
        answer = self._ask("PUT", f"/manifests/{reference}", {"Content-Type": kind}, content=data, actions="pull,push")
        if answer.status != 201:
            raise self._refused(answer, "takes no manifest")
        return answer

    def _push(self, data: bytes, kind: str) -> dict[str, Any]:
        digest = _digest(data)
        if self._ask("HEAD", f"/blobs/{digest}", {}, actions="pull,push").status != 200:
            begun = self._ask("POST", "/blobs/uploads/", {}, content=b"", actions="pull,push")
            place = begun.headers.get("location", "")
            if begun.status != 202 or not place:
                raise self._refused(begun, "takes no upload")
            there = urljoin(f"{self._root}/blobs/uploads/", place)
            if urlsplit(there).netloc != self._access.host:
                raise RegistryError(f"{self._access.host} wants uploads elsewhere.")
            there = f"{there}{'&' if '?' in there else '?'}{urlencode({'digest': digest})}"
            headers = {"Content-Type": "application/octet-stream"}
            done = self._ask("PUT", there, headers, content=data, actions="pull,push")
            if done.status != 201:
                raise self._refused(done, "takes no blob")
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def _manifest(self, digest: str) -> tuple[dict[str, Any], bytes]:
        _path(digest)
        answer = self._ask("GET", f"/manifests/{digest}", {"Accept": _ACCEPT}, largest=_LARGEST_MANIFEST)
        if answer.status != 200:
            raise self._refused(answer, f"has no {digest[:19]} of {self._repository}")
        if _digest(answer.body) != digest:
            raise RegistryError(f"{self._access.host} answered with something else than {digest[:19]}.")
        return _read(answer.body), answer.body

    def _blob(self, digest: str, size: int) -> bytes:
        answer = self._ask("GET", f"/blobs/{digest}", {}, largest=size)
        if answer.status != 200 or _digest(answer.body) != digest:
            raise self._refused(answer, f"has no whole {digest[:19]}")
        return answer.body

    def _ask(  # what one request is made of
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        content: bytes | None = None,
        largest: int = 64 * 1024,
        actions: str = "pull",
    ) -> Reply:
        """Ask, and once more with what the registry wants to be told of who asks."""
        url = path if path.startswith("http") else f"{self._root}{path}"
        try:
            for _ in range(2):
                known = {"Authorization": self._authorization} if self._authorization else {}
                sent = {**headers, **known}
                answer = ask(
                    method,
                    url,
                    self._access.settings,
                    headers=sent,
                    content=content,
                    largest=largest,
                    seconds=_SECONDS,
                )
                if answer.status != 401 or not self._introduce(answer, actions):
                    return answer
        except WebsiteError as error:
            raise RegistryError(str(error)) from None
        raise self._refused(answer, "does not know who asks")

    def _introduce(self, answer: Reply, actions: str) -> bool:
        """Take what proves who asks from where the registry says; tell whether there is something new to say."""
        challenge, access = answer.headers.get("www-authenticate", ""), self._access
        kind, _, rest = challenge.partition(" ")
        basic = f"Basic {base64.b64encode(f'{access.username}:{access.secret}'.encode()).decode()}"
        before = self._authorization
        if kind.lower() == "basic":
            self._authorization = basic if access.secret else ""
        elif kind.lower() == "bearer":
            told = dict(_CHALLENGE.findall(rest))
            realm = told.get("realm", "")
            asked = {"scope": f"repository:{self._repository}:{actions}"}
            asked |= {"service": told["service"]} if "service" in told else {}
            # A registry may not send its visitors' credentials to somebody else's server.
            headers = {"Authorization": basic} if access.secret and _belong(realm, access.host) else {}
            given = ask("GET", f"{realm}?{urlencode(asked)}", access.settings, headers=headers)
            read = _read(given.body) if given.status == 200 else {}
            token = read.get("token") or read.get("access_token")
            self._authorization = f"Bearer {token}" if isinstance(token, str) else ""
        return self._authorization not in {"", before}

    def _refused(self, answer: Reply, what: str) -> RegistryError:
        hint = " Check the credential." if answer.status in {401, 403} else ""
        return RegistryError(f"{self._access.host} {what} ({answer.status}).{hint}")


def _belong(realm: str, host: str) -> bool:
    """Tell whether a server for tokens belongs to a registry: the same host, or the same domain."""
    there, own = (urlsplit(realm).hostname or ""), (urlsplit(f"//{host}").hostname or "")
    same = own.count(".") > 0 and there.split(".")[-2:] == own.split(".")[-2:] and not own.replace(".", "").isdecimal()
    return there == own or same


def _platform(index: Mapping[str, Any]) -> str:
    listed = [each for each in index["manifests"] if isinstance(each, dict) and "digest" in each]
    images = [each for each in listed if each.get("platform", {}).get("os") != "unknown"] or listed
    wanted = {"os": "linux", "architecture": "amd64"}
    fits = [each for each in images if wanted.items() <= each.get("platform", {}).items()]
    if not images:
        raise RegistryError("The image lists no platform.")
    return str((fits or images)[0]["digest"])


def _path(digest: str) -> str:
    if _DIGEST.fullmatch(digest) is None:
        raise RegistryError(f"{digest[:80]} is not a digest that is understood here.")
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _read(data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise RegistryError("The registry answered with something that is no JSON object.")
    return read


def _packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
