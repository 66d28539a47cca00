"""The one static configuration of HAProxy, and the pages it shows when there is no application to show."""

from dataclasses import dataclass
from pathlib import Path

from catalog.providers.routers.haproxy import REMEMBERED, VISITORS, map_file, runtime_socket

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif; }}
body {{ max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; line-height: 1.3; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""

NO_SUCH_ROUTE = _PAGE.format(
    refresh="",
    title="There is no preview at this address",
    text="It may have been removed, or it is not ready yet. The Slipway portal lists the previews that exist.",
)
NOT_ANSWERING = _PAGE.format(
    refresh='\n<meta http-equiv="refresh" content="5">',
    title="This preview does not answer",
    text="Its application is starting again or has stopped. This page tries again by itself every few seconds.",
)


@dataclass(frozen=True, slots=True)
class HAProxyOptions:
    """Where HAProxy listens: visitors on `bind_host`:`preview_port`, measurements on the loopback `metrics_port`.

    `user` and `group` are what HAProxy becomes after it has opened its sockets; leave them empty to stay.
    """

    data_dir: Path
    run_dir: Path
    preview_port: int
    metrics_port: int
    bind_host: str = "127.0.0.1"
    user: str = ""
    group: str = ""

    @property
    def directory(self) -> Path:
        """Where the configuration, the map and the pages lie."""
        return self.data_dir / "haproxy"


def render_configuration(options: HAProxyOptions) -> str:
    """Return the text of haproxy.cfg; it names files that `write_configuration` puts beside it."""
    directory, routes = options.directory, map_file(options.data_dir)
    identity = "".join(
        f"    {key} {value}\n" for key, value in (("user", options.user), ("group", options.group)) if value
    )
    headers = " ".join(f'hdr {name} "{value}"' for name, value in _HEADERS.items())
    not_found = f'status 404 content-type "text/html; charset=utf-8" file "{directory}/404.html" {headers}'
    return f"""# Written by Slipway at every start; changes made here are lost.
global
    maxconn 4096
    hard-stop-after 5s
    stats socket "{runtime_socket(options.run_dir)}" mode 600 level admin
    stats timeout 10s
{identity}
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 300s
    timeout http-request 15s
    timeout http-keep-alive 30s
    timeout tunnel 1h
    retries 2
    errorfile 502 "{directory}/503.http"
    errorfile 503 "{directory}/503.http"
    errorfile 504 "{directory}/503.http"

frontend {VISITORS}
    bind {options.bind_host}:{options.preview_port}
    stick-table type string len 255 size 20k expire {REMEMBERED.days}d store http_req_cnt
    http-request set-var(txn.port) req.hdr(host),field(1,:),lower,map_str_int("{routes}",0)
    http-request return {not_found} if {{ var(txn.port) -m int 0 }}
    http-request track-sc0 req.hdr(host),field(1,:),lower
    http-request del-header X-Forwarded-For
    http-request del-header Forwarded
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-dst ipv4(127.0.0.1)
    http-request set-dst-port var(txn.port)
    default_backend applications

backend applications
    server application 0.0.0.0:0

frontend metrics
    bind 127.0.0.1:{options.metrics_port}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request deny deny_status 404
"""


def write_configuration(options: HAProxyOptions) -> Path:
    """Write the configuration, the pages and, where there is none, an empty map; return the configuration's path."""
    directory = options.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    map_file(options.data_dir).touch()
    fields = {"Content-Type": "text/html; charset=utf-8", "Connection": "close", "Retry-After": "5", **_HEADERS}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    (directory / "404.html").write_text(NO_SUCH_ROUTE, "utf-8")
    (directory / "503.http").write_bytes(f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n{NOT_ANSWERING}".encode())
    configuration = directory / "haproxy.cfg"
    configuration.write_text(render_configuration(options), "utf-8")
    return configuration
