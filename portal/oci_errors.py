"""Errors as clients of the OCI distribution specification read them, and how they are asked for a token."""

import json
import re
from typing import Any, Protocol

from litestar import Response

from portal.boundary import WebRequest

OCI_DOOR = "/v2"
_CODES = {
    "asset_not_found": "NAME_UNKNOWN",
    "manifest_unknown": "MANIFEST_UNKNOWN",
    "blob_unknown": "BLOB_UNKNOWN",
    "digest_invalid": "DIGEST_INVALID",
    "unauthorized": "UNAUTHORIZED",
    "forbidden": "DENIED",
    "denied": "DENIED",
    "too_many_requests": "TOOMANYREQUESTS",
}
_REPOSITORY = re.compile(r"/v2/([^/]+/[^/]+)/(?:manifests|blobs|tags|referrers)/")


class Problem(Protocol):
    """What an error is to its caller."""

    @property
    def type(self) -> str:
        """Its stable name."""
        ...

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def detail(self) -> str:
        """What is wrong."""
        ...


def answer_oci(_request: WebRequest, problem: Problem, headers: dict[str, str]) -> Response[Any]:
    """Return an error in the form of the distribution specification, with one of its codes."""
    name = problem.type.rpartition(":")[2]
    error = {"code": _CODES.get(name, "UNSUPPORTED"), "message": problem.detail}
    # As text, because a client of another kind than JSON's would be refused for what it accepts.
    body = json.dumps({"errors": [error]})
    return Response(content=body, status_code=problem.status, media_type="application/json", headers=headers)


def oci_challenge(request: WebRequest) -> str:
    """Return where a client gets a token for what it asked for."""
    base = str(request.base_url).rstrip("/")
    found = _REPOSITORY.match(request.scope["path"])
    scope = f',scope="repository:{found[1]}:pull"' if found else ""
    return f'Bearer realm="{base}/v2/token",service="slipway"{scope}'
