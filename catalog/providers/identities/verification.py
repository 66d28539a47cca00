"""Verification of identity tokens: issuer, signature, audience and times, by OpenID Connect Core 1.0, 3.1.3.7."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt

from catalog.clock import now
from catalog.errors import InvalidInputError
from catalog.providers.identities import (
    IdentityProvider,
    IdentityRefusedError,
    IssuerUnavailableError,
    Workload,
    providers,
)
from catalog.settings import Settings

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures by a private key alone: with a shared secret, whoever verifies could sign."""
LEEWAY = timedelta(seconds=30)
LONGEST = 16 * 1024
"""The longest token that is looked at, in characters."""
_KEYS_KEPT = timedelta(minutes=5)
_KEYS_ASKED_AGAIN_AFTER = timedelta(seconds=30)
_LARGEST_ANSWER = 512 * 1024
_TIMEOUT = httpx.Timeout(5.0)


@dataclass(frozen=True)
class Identity:
    """A verified token: who issued it, the job behind it, and the id by which it is used once."""

    issuer: str
    provider: IdentityProvider
    workload: Workload
    token_id: str
    expires_at: datetime


@dataclass(frozen=True)
class Issuer:
    """One issuer whose tokens are accepted; ``names`` is its entry in the setting."""

    url: str
    provider: IdentityProvider
    names: Mapping[str, str]


@dataclass
class _KeySet:
    """An issuer's keys as they were when they were last asked for; ``problem`` says why there are none."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Sequence[jwt.PyJWK] = ()
    asked_at: datetime | None = None
    problem: str = ""


_KEY_SETS: defaultdict[str, _KeySet] = defaultdict(_KeySet)


def issuers(settings: Settings) -> dict[str, Issuer]:
    """Return every issuer that the settings accept, by address; raise ``InvalidInputError`` for an unusable entry."""
    known = providers()
    found = {}
    for entry in settings.identity_issuers:
        url, kind = entry.get("issuer", "").rstrip("/"), entry.get("provider", "by-configuration")
        if not url.startswith("https://") and not _is_loopback(url):
            raise InvalidInputError(f"SLIPWAY_IDENTITY_ISSUERS: {url!r} is not the https address of an issuer.")
        if kind not in known:
            raise InvalidInputError(f"SLIPWAY_IDENTITY_ISSUERS: there is no provider {kind!r} ({', '.join(known)}).")
        found[url] = Issuer(url, known[kind], entry)
    return found


def audience(settings: Settings) -> str:
    """Return what a token must have been issued for."""
    return settings.identity_audience or settings.base_url


def verify(token: str, settings: Settings) -> Identity:
    """Return whom a token speaks for.

    Raises ``IdentityRefusedError`` with the reason, or ``IssuerUnavailableError`` where the issuer's keys cannot be
    had. The issuer must be one of the settings: no address in a token is ever followed.
    """
    if len(token) > LONGEST:
        raise IdentityRefusedError("The token is too long to be an identity token.")
    try:
        header = jwt.get_unverified_header(token)
        unverified = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, RecursionError):
        raise IdentityRefusedError("This is not an identity token: it cannot be read as a JWT.") from None
    issuer = issuers(settings).get(str(unverified.get("iss", "")).rstrip("/"))
    if issuer is None:
        raise IdentityRefusedError(
            "The token's issuer is not accepted here. An administrator names issuers by setting."
        )
    if header.get("alg") not in ALGORITHMS:
        raise IdentityRefusedError("The token is signed in a way that proves nothing.")
    key = _key(issuer, str(header.get("kid", "")))
    claims = _verified(token, key, str(unverified["iss"]), issuer.names.get("audience") or audience(settings))
    expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
    return Identity(
        issuer.url, issuer.provider, issuer.provider.workload(claims, issuer.names), claims["jti"], expires_at
    )


def _verified(token: str, key: jwt.PyJWK, issuer: str, wanted: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=wanted,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "jti"], "strict_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise IdentityRefusedError("The token has expired. Ask for a new one in the job.") from None
    except jwt.InvalidAudienceError:
        raise IdentityRefusedError(
            f"The token was issued for another audience. Ask for the audience {wanted}."
        ) from None
    except jwt.MissingRequiredClaimError as error:
        raise IdentityRefusedError(f"The token has no claim {error.claim}.") from None
    except (jwt.InvalidTokenError, ValueError):
        raise IdentityRefusedError("The token's signature or its times do not hold.") from None
    if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= 300:
        raise IdentityRefusedError("The token's claim jti is not an id.")
    return claims


def _key(issuer: Issuer, key_id: str) -> jwt.PyJWK:
    """Return the issuer's key of that id; keys are asked for again when one is unknown, but not at every request."""
    kept = _KEY_SETS[issuer.url]
    with kept.lock:
        age = now() - kept.asked_at if kept.asked_at else _KEYS_KEPT
        if age >= _KEYS_KEPT or (_named(kept.keys, key_id) is None and age >= _KEYS_ASKED_AGAIN_AFTER):
            kept.asked_at = now()
            try:
                kept.keys, kept.problem = _fetch_keys(issuer.url), ""
            except IssuerUnavailableError as error:
                kept.problem = error.detail
        found, problem = _named(kept.keys, key_id), kept.problem
    if found is None and problem:
        raise IssuerUnavailableError(problem)
    if found is None:
        raise IdentityRefusedError("The token is signed by a key that its issuer does not have.")
    if found.algorithm_name not in ALGORITHMS:
        raise IdentityRefusedError("The token is signed in a way that proves nothing.")
    return found


def _named(keys: Sequence[jwt.PyJWK], key_id: str) -> jwt.PyJWK | None:
    return next((key for key in keys if key.key_id == key_id), keys[0] if len(keys) == 1 and not key_id else None)


def _fetch_keys(url: str) -> Sequence[jwt.PyJWK]:
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=not _is_loopback(url)) as client:
        discovery = _fetch(client, f"{url}/.well-known/openid-configuration")
        if str(discovery.get("issuer", "")).rstrip("/") != url:
            raise IssuerUnavailableError(f"{url} calls itself otherwise in its own configuration.")
        document = _fetch(client, str(discovery.get("jwks_uri", "")))
    keys = []
    for each in document.get("keys", []):
        try:
            keys.append(jwt.PyJWK(each))
        except (jwt.InvalidKeyError, jwt.PyJWKError, ValueError, TypeError):
            continue  # a key of a kind that we do not know is no reason to refuse those that we do
    return keys


def _fetch(client: httpx.Client, url: str) -> dict[str, Any]:
    if not url.startswith("https://") and not _is_loopback(url):
        raise IssuerUnavailableError("The issuer names an address that is not protected by TLS.")
    try:
        with client.stream("GET", url) as response:
            response.raise_for_status()
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise IssuerUnavailableError(f"{url} answers with more than any key set has.")
        document = httpx.Response(200, content=body).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise IssuerUnavailableError(f"{url} does not answer as an issuer does ({type(error).__name__}).") from None
    if not isinstance(document, dict):
        raise IssuerUnavailableError(f"{url} does not answer as an issuer does.")
    return document


def _is_loopback(url: str) -> bool:
    try:
        return httpx.URL(url).host in {"127.0.0.1", "::1", "localhost"}
    except httpx.InvalidURL:
        return False
