"""An OCI and npm registry for tests: in memory, with tokens, and with or without a list of referrers."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_BLOB = re.compile(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})")
_UPLOAD = re.compile(r"/v2/(.+)/blobs/uploads/?")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class StandIn:
    """What the registry holds and was asked; ``knows_referrers`` makes it say so, as newer registries do."""

    host: str = ""
    password: str = "let me in"  # a test's own
    knows_referrers: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def add_blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        self.blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def add_image(self, *layers: bytes) -> str:
        """Keep an image of some layers (tar) and return its digest."""
        kind = "application/vnd.oci.image"
        rootfs = {"type": "layers", "diff_ids": [digest_of(each) for each in layers]}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": self.add_blob(config, f"{kind}.config.v1+json"),
            "layers": [self.add_blob(each, f"{kind}.layer.v1.tar") for each in layers],
        }
        return self.add_manifest(json.dumps(manifest).encode(), f"{kind}.manifest.v1+json")

    def add_manifest(self, data: bytes, media_type: str, reference: str = "") -> str:
        self.manifests[digest_of(data)] = (media_type, data)
        if reference:
            self.manifests[reference] = (media_type, data)
        return digest_of(data)

    def referrers(self, image: str) -> list[dict[str, Any]]:
        """Return every manifest whose subject is ``image``."""
        read = {name: json.loads(data) for name, (_, data) in self.manifests.items() if name.startswith("sha256:")}
        return [each for each in read.values() if each.get("subject", {}).get("digest") == image]


class _Handler(BaseHTTPRequestHandler):
    registry: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _known(self, actions: str) -> bool:
        """Tell whether the token may do this; say where to get one where it may not."""
        repository = self.path.partition("/v2/")[2].partition("/")[0]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in {actions, "pull,push"}:
            return True
        realm = f'Bearer realm="http://{self.registry.host}/token",service="stand-in",scope="{repository}:{actions}"'
        self._answer(401, WWW_Authenticate=realm)
        return False

    def _serve(self) -> None:
        registry, parts = self.registry, urlsplit(self.path)
        registry.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if parts.path == "/token":
            basic = base64.b64encode(f"slipway:{registry.password}".encode()).decode()
            actions = parse_qs(parts.query)["scope"][0].rpartition(":")[2]
            if self.headers.get("Authorization") != f"Basic {basic}":
                return self._answer(401)
            return self._answer(200, json.dumps({"token": actions}).encode())
        if parts.path in registry.redirects:
            return self._answer(307, Location=registry.redirects[parts.path])
        if parts.path in registry.files:
            return self._answer(200, registry.files[parts.path])
        if not parts.path.startswith("/v2/"):
            return self._answer(404)
        if self._known("pull" if self.command == "GET" else "pull,push"):
            self._registry(parts.path, parts.query, body)
        return None

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815  # named by the standard library

    def _registry(self, path: str, query: str, body: bytes) -> None:
        registry = self.registry
        if blob := _BLOB.fullmatch(path):
            found = registry.blobs.get(blob[2])
            return self._answer(404) if found is None else self._answer(200, found)
        if upload := _UPLOAD.fullmatch(path):
            return self._uploaded(upload[1], query, body)
        manifest = _MANIFEST.fullmatch(path)
        if manifest is not None and self.command == "PUT":
            registry.add_manifest(body, self.headers["Content-Type"], manifest[2])
            subject = json.loads(body).get("subject", {}).get("digest", "")
            headers = {"OCI_Subject": subject} if registry.knows_referrers and subject else {}
            return self._answer(201, **headers)
        kept = registry.manifests.get(manifest[2]) if manifest is not None else None
        return self._answer(404) if kept is None else self._answer(200, kept[1], Content_Type=kept[0])

    def _uploaded(self, repository: str, query: str, body: bytes) -> None:
        if self.command == "POST":
            return self._answer(202, Location=f"/v2/{repository}/blobs/uploads/")
        digest = parse_qs(query)["digest"][0]
        if digest_of(body) != digest:
            return self._answer(400)
        self.registry.blobs[digest] = body
        return self._answer(201)


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Serve a registry on a port of its own as long as the context lasts."""
    registry = StandIn()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    registry.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
