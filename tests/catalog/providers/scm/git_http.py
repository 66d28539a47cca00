"""A repository served by git's own HTTP backend, as the fakes of hosted providers do."""

import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit


def serve_git(handler: BaseHTTPRequestHandler, body: bytes, origin: Path, below: str) -> None:
    """Answer a request for the bare repository ``origin``, whose address is ``below`` on the server."""
    parts = urlsplit(handler.path)
    variables = {
        "PATH": os.defpath,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(origin),
        "PATH_INFO": parts.path.removeprefix(below),
        "QUERY_STRING": parts.query,
        "REQUEST_METHOD": handler.command,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_0": "uploadpack.allowAnySHA1InWant",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "GIT_CONFIG_KEY_2": "http.receivepack",
        "GIT_CONFIG_VALUE_2": "true",
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().splitlines())
    handler.send_response(int(lines.pop("Status", "200").split()[0]))
    for name, value in {**lines, "Content-Length": str(len(content))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def refuse_git(handler: BaseHTTPRequestHandler, status: int) -> None:
    """Answer with a bare status."""
    handler.send_response(status)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
