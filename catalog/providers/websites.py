"""Reading one small text from a website that somebody else named: never from inside this network, never much."""

import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from catalog.settings import Settings

LARGEST = 64 * 1024
_TIMEOUT = httpx.Timeout(5.0)


class WebsiteError(Exception):
    """Why a text cannot be had; fit for a page."""


def read_text(url: str, settings: Settings) -> str:
    """Return the text at an https address.

    The address must lead to a public host, unless its ``host`` or ``host:port`` is in the setting ``internal_domains``;
    one of those on this machine is asked without TLS. Redirects are not followed. The host's address is looked up
    once and connected to, so that a name cannot mean one thing when it is checked and another when it is used.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        raise WebsiteError(f"{parts.netloc[:100]} is not an address.") from None
    internal = parts.netloc in settings.internal_domains
    address = _address(host, port, internal=internal)
    plain = internal and ipaddress.ip_address(address).is_loopback
    literal = f"[{address}]" if ":" in address else address
    target = f"{'http' if plain else 'https'}://{literal}:{port}{parts.path}"
    headers = {"Host": parts.netloc, "User-Agent": "slipway", "Accept": "text/plain"}
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            if response.status_code != 200:
                raise WebsiteError(f"{url} answers {response.status_code}; 200 is needed, without a redirect.")
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    raise WebsiteError(f"{url} answers with more than {LARGEST // 1024} KiB.")
    except httpx.HTTPError as error:
        raise WebsiteError(f"{url} does not answer ({type(error).__name__}).") from None
    return body.decode("utf-8", "replace")


def _address(host: str, port: int, *, internal: bool) -> str:
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        raise WebsiteError(f"There is no host {host}.") from None
    if not internal and not all(_is_public(each) for each in found):
        raise WebsiteError(f"{host} is not a public host. An administrator may list it in SLIPWAY_INTERNAL_DOMAINS.")
    return min(found)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast
