"""Reading from and writing to websites that somebody else named: never inside this network, never much, never long."""

import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from catalog.settings import Settings

LARGEST = 64 * 1024
LONGEST = 15.0
"""How long one answer may take, in seconds, however steadily it drips."""
EXCERPT = 2000
MOST_HOPS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TIMEOUT = httpx.Timeout(5.0)


@dataclass(frozen=True)
class Answer:
    """What a website said to what it was sent: ``text`` is its beginning, ``retry_after`` seconds where it gave any."""

    status: int
    text: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Reply:
    """What a server said, whole: names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WebsiteError(Exception):
    """Why a text cannot be had; fit for a page."""


def read_text(url: str, settings: Settings) -> str:
    """Return the text at an https address.

    The address must lead to a public host, unless its ``host`` or ``host:port`` is in the setting ``internal_domains``;
    one of those on this machine is asked without TLS. Redirects are not followed. The host's address is looked up
    once and connected to, so that a name cannot mean one thing when it is checked and another when it is used.
    """
    parts = urlsplit(url)
    target, host = _target(parts, settings)
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


def post(url: str, body: str, headers: Mapping[str, str], settings: Settings) -> Answer:
    """Send JSON to an address and return what it said; the rules of ``read_text`` hold for where it may lead.

    Any status is an answer, a redirect too: it is not followed. The receiver has ``LONGEST`` seconds, and no more than
    the beginning of what it says is read. Raises ``WebsiteError`` where there is no answer.
    """
    parts = urlsplit(url)
    target, host = _target(parts, settings)
    query = f"?{parts.query}" if parts.query else ""
    sent = {"Host": parts.netloc, "User-Agent": "slipway", "Content-Type": "application/json", **headers}
    deadline = time.monotonic() + LONGEST
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST", f"{target}{query}", content=body.encode(), headers=sent, extensions={"sni_hostname": host}
            ) as response,
        ):
            said = b""
            for chunk in response.iter_raw():
                said += chunk
                if len(said) >= EXCERPT:
                    break
                if time.monotonic() > deadline:
                    raise WebsiteError(f"{host} takes longer than {LONGEST:.0f} seconds to answer.")
            after = response.headers.get("retry-after", "")
            text = said[:EXCERPT].decode("utf-8", "replace").replace("\x00", "\ufffd")
            return Answer(response.status_code, text, float(after) if after.isdecimal() else None)
    except httpx.HTTPError as error:
        raise WebsiteError(f"{host} does not answer ({type(error).__name__}).") from None


def ask(  # each is something that a server may be told or held to
    method: str,
    url: str,
    settings: Settings,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    largest: int = LARGEST,
    seconds: float = LONGEST,
) -> Reply:
    """Ask a server and return what it said, whole; the rules of ``read_text`` hold for where it may lead.

    A redirect of a GET is followed, at most ``MOST_HOPS`` times, under the same rules; another host is never told what
    was in ``Authorization``. Raises ``WebsiteError`` where there is no answer, or one beyond ``largest`` bytes or
    ``seconds`` seconds.
    """
    deadline, sent = time.monotonic() + seconds, dict(headers or {})
    for _ in range(MOST_HOPS + 1):
        reply = _asked(method, url, sent, content, settings, largest=largest, deadline=deadline)
        following = reply.headers.get("location", "")
        if method != "GET" or reply.status not in _REDIRECTS or not following:
            return reply
        there = urljoin(url, following)
        if urlsplit(there).netloc != urlsplit(url).netloc:
            sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        url = there
    raise WebsiteError(f"{urlsplit(url).netloc[:100]} leads on and on.")


def _asked(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
    settings: Settings,
    *,
    largest: int,
    deadline: float,
) -> Reply:
    parts = urlsplit(url)
    target, host = _target(parts, settings)
    query = f"?{parts.query}" if parts.query else ""
    sent = {"Host": parts.netloc, "User-Agent": "slipway", "Accept-Encoding": "identity", **headers}
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
            client.stream(
                method, f"{target}{query}", content=content, headers=sent, extensions={"sni_hostname": host}
            ) as response,
        ):
            said = bytearray()
            for chunk in response.iter_raw():
                said += chunk
                if len(said) > largest:
                    raise WebsiteError(f"{host} answers with more than {largest // 1024} KiB.")
                if time.monotonic() > deadline:
                    raise WebsiteError(f"{host} takes too long to answer.")
            return Reply(
                response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(said)
            )
    except httpx.HTTPError as error:
        raise WebsiteError(f"{host} does not answer ({type(error).__name__}).") from None


def _target(parts: SplitResult, settings: Settings) -> tuple[str, str]:
    """Return the address to connect to and the host's name, after a look at where it leads."""
    try:
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise WebsiteError(f"{parts.netloc[:100]} is not an address.") from None
    internal = parts.netloc in settings.internal_domains
    if parts.scheme == "http" and not internal:
        raise WebsiteError(f"{host} has to be asked by https.")
    address = _address(host, port, internal=internal)
    plain = internal and (parts.scheme == "http" or ipaddress.ip_address(address).is_loopback)
    literal = f"[{address}]" if ":" in address else address
    return f"{'http' if plain else 'https'}://{literal}:{port}{parts.path}", host


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
