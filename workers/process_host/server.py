"""The process host's HTTP surface on a Unix socket; only the user who runs the host can open it."""

import json
import logging
import os
import socketserver
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from workers.process_host import IDENTIFIER, ProcessHostError, ProcessSpec
from workers.process_host.host import ProcessHost

STATUS = {"not_found": 404, "invalid": 422, "isolation": 409, "closed": 409, "no_port": 503}
LARGEST_BODY = 1024 * 1024

_log = logging.getLogger(__name__)


class HostServer(socketserver.ThreadingUnixStreamServer):
    """Serves one process host; the socket is readable and writable by its owner alone."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, host: ProcessHost) -> None:
        self.host = host
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            super().__init__(str(path), _Handler)
        finally:
            os.umask(mask)


class _Handler(BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_arguments: object) -> None:
        """Leave requests out of the log."""

    def _answer(self) -> None:
        try:
            status, body = 200, self._route()
        except ProcessHostError as error:
            status, body = STATUS.get(error.code, 500), {"code": error.code, "message": error.message}
        except Exception:  # noqa: BLE001 - logged here, and the caller gets an answer in any case
            _log.exception("a request to the process host failed")
            status, body = 500, {"code": "failed", "message": "the process host failed; its log says why"}
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _route(self) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one return for each address reads best
        """Carry out the request; raise `ProcessHostError`."""
        host = cast("HostServer", self.server).host
        address = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        if len(parts) > 1 and not IDENTIFIER.fullmatch(parts[1]):
            raise ProcessHostError("not_found", "there is no such process")
        match self.command, parts:
            case "GET", ["health"]:
                return host.health()
            case "GET", ["processes"]:
                return {"processes": [status.as_json() for status in host.processes(query.get("environment"))]}
            case "GET", ["processes", process_id]:
                return host.status(process_id).as_json()
            case "PUT", ["processes", process_id]:
                return host.start(ProcessSpec.from_json({**self._body(), "id": process_id})).as_json()
            case "POST", ["processes", process_id, "healthy"]:
                return host.mark_healthy(process_id).as_json()
            case "DELETE", ["processes", process_id]:
                host.stop(process_id, _number(query.get("grace", "5")))
                return {}
            case "GET", ["environments", environment_id, "logs"]:
                return {"logs": host.environment_logs(environment_id, int(_number(query.get("lines", "100"))))}
            case "POST", ["environments", environment_id, "logs", "after"]:
                return host.environment_logs_after(environment_id, self._body())
            case "GET", ["environments", environment_id, "gate"]:
                return {"gate": host.gate(environment_id)}
            case "POST", ["environments", environment_id, "gate"]:
                return {"gate": host.close_gate(environment_id)}
            case "DELETE", ["environments", environment_id]:
                host.forget_environment(environment_id)
                return {}
            case "GET", ["processes", process_id, "log"]:
                return {"lines": host.log_tail(process_id, int(_number(query.get("lines", "100"))))}
        raise ProcessHostError("not_found", "there is nothing at this address")

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= LARGEST_BODY:
            raise ProcessHostError("invalid", "the body must be JSON of at most 1 MiB")
        try:
            body = json.loads(self.rfile.read(length))
        except ValueError as error:
            raise ProcessHostError("invalid", "the body is not JSON") from error
        return dict(body) if isinstance(body, dict) else {}


def _number(text: str) -> float:
    try:
        return min(10_000.0, max(0.0, float(text)))
    except ValueError as error:
        raise ProcessHostError("invalid", f"{text!r} is not a number") from error
