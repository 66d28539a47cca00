"""A collector for one environment: takes logs, metrics and traces as OTLP in JSON, keeps the newest, and shows them.

It runs from its text alone, with the standard library, as a process of the local target: HOST and PORT say where, HOME
where what was taken is kept, KEEP how many records.
"""

import html
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGEST = 4 * 1024 * 1024
SIGNALS = {"/v1/logs": "log", "/v1/metrics": "metric", "/v1/traces": "span"}
SHOWN = 200
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;"
    "vertical-align:top;overflow-wrap:anywhere}:root{color-scheme:light dark}"
)


def records(signal: str, document: Any) -> Iterator[tuple[str, str, str]]:
    """Yield ``(service, name, detail)`` for everything in an OTLP document; raise ``ValueError`` for no such thing."""
    try:
        if signal == "log":
            for service, each in _inner(document, "resourceLogs", "scopeLogs", "logRecords"):
                yield service, str(each.get("severityText") or "LOG"), _value(each.get("body"))
        elif signal == "metric":
            for service, each in _inner(document, "resourceMetrics", "scopeMetrics", "metrics"):
                yield service, str(each["name"]), str(each.get("unit") or "")
        else:
            for service, each in _inner(document, "resourceSpans", "scopeSpans", "spans"):
                took = (int(each["endTimeUnixNano"]) - int(each["startTimeUnixNano"])) / 1e6
                yield service, str(each["name"]), f"{took:.1f} ms"
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"this is no OTLP document of {signal}s") from error


def _inner(document: Any, *steps: str) -> Iterator[tuple[str, Any]]:
    for resource in document[steps[0]]:
        attributes = resource.get("resource", {}).get("attributes", ())
        service = next((_value(each["value"]) for each in attributes if each["key"] == "service.name"), "unknown")
        for scope in resource[steps[1]]:
            for each in scope[steps[2]]:
                yield service, each


def _value(value: Any) -> str:
    """Return an OTLP value as text: a text as it is, anything else as JSON."""
    inner = next(iter(value.values()), "") if isinstance(value, dict) else value
    return inner if isinstance(inner, str) else json.dumps(inner)


class Store:
    """The newest ``keep`` records, in a file that outlives the process."""

    def __init__(self, path: Path, keep: int) -> None:
        self._path = path
        self._keep = keep
        with closing(self._open()) as database, database:
            database.execute(
                "create table if not exists records (id integer primary key, signal, service, name, detail)"
            )

    def add(self, signal: str, found: list[tuple[str, str, str]]) -> None:
        """Keep records, and forget the oldest where they are too many."""
        with closing(self._open()) as database, database:
            insert = "insert into records (signal, service, name, detail) values (?, ?, ?, ?)"
            database.executemany(insert, [(signal, *each) for each in found])
            database.execute("delete from records where id <= (select max(id) from records) - ?", (self._keep,))

    def newest(self) -> list[tuple[str, str, str, str]]:
        """Return ``(signal, service, name, detail)``, newest first."""
        with closing(self._open()) as database:
            asked = "select signal, service, name, detail from records order by id desc limit ?"
            return database.execute(asked, (SHOWN,)).fetchall()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=30)


class Handler(BaseHTTPRequestHandler):
    """Takes what applications send, and shows it."""

    store: Store

    def do_POST(self) -> None:  # noqa: N802 - the standard library's name
        """Take an export."""
        signal = SIGNALS.get(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if signal is None:
            self._answer(HTTPStatus.NOT_FOUND, "Send to /v1/logs, /v1/metrics or /v1/traces.")
        elif not (self.headers.get("Content-Type") or "").startswith("application/json"):
            self._answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON: OTEL_EXPORTER_OTLP_PROTOCOL=http/json.")
        elif not 0 < length <= LARGEST:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send between 1 and {LARGEST} bytes.")
        else:
            try:
                self.store.add(signal, list(records(signal, json.loads(self.rfile.read(length)))))
            except (ValueError, RecursionError) as error:
                self._answer(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._answer(HTTPStatus.OK, "{}", "application/json")

    def do_GET(self) -> None:  # noqa: N802 - the standard library's name
        """Show what there is: ``/records`` as JSON, anything else as a page."""
        newest = self.store.newest()
        if self.path == "/records":
            names = ("signal", "service", "name", "detail")
            found = [dict(zip(names, each, strict=True)) for each in newest]
            self._answer(HTTPStatus.OK, json.dumps(found), "application/json")
            return
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(text)}" for text in each) for each in newest)
        body = f"<table><tr><th>What<th>Service<th>Name<th>Detail{rows}</table>" if rows else "<p>Nothing yet."
        title = '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Telemetry</title>'
        self._answer(HTTPStatus.OK, f"{title}<style>{STYLE}</style><h1>Telemetry</h1>{body}", "text/html; charset=utf-8")

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Write nothing for each request."""


def main() -> None:
    """Serve until ended."""
    Handler.store = Store(Path(os.environ["HOME"]) / "telemetry.sqlite", int(os.environ["KEEP"]))
    ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
