"""Which Slipway a client command speaks to, and with which token: from the environment, or from ``slipway login``."""

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_config_path
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from portal.cli.errors import CommandError, ExitCode

_LOGIN = "Run `slipway login`, or set SLIPWAY_URL and SLIPWAY_TOKEN."


class ClientSettings(BaseSettings):
    """What the environment says about the Slipway to speak to; ``url`` ends without a slash."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", frozen=True, extra="ignore")

    url: str = ""
    token: SecretStr = SecretStr("")


@dataclass(frozen=True)
class Connection:
    """Where the portal is, and the token to show it."""

    url: str
    token: str

    @property
    def is_loopback(self) -> bool:
        """Whether the portal is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")


def credentials_file() -> Path:
    """Return where ``slipway login`` keeps address and token."""
    return user_config_path("slipway") / "credentials.json"


def stored() -> Connection | None:
    """Return what ``slipway login`` kept, or None; raise ``CommandError`` where the file is damaged."""
    path = credentials_file()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Connection(str(document["url"]), str(document["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} cannot be read ({error}).", "Run `slipway login` again.") from None


def store(connection: Connection) -> Path:
    """Keep address and token for later commands, readable by this user alone, and return the file."""
    path = credentials_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": connection.url, "token": connection.token}, file)
    draft.rename(path)
    return path


def current() -> Connection:
    """Return where to send requests; raise ``CommandError`` where that is not known.

    A stored token goes to the address that it was stored with and to no other.
    """
    given = ClientSettings()
    url, token = check_url(given.url) if given.url else "", given.token.get_secret_value().strip()
    if url and token:
        return Connection(url, token)
    kept = stored()
    if kept is None:
        missing = "SLIPWAY_TOKEN" if url else "SLIPWAY_URL" if token else ""
        raise CommandError(f"{missing} is not set." if missing else "You are not signed in.", _LOGIN)
    if url and url != kept.url:
        raise CommandError(f"You are signed in to {kept.url}, not to {url}.", "Set SLIPWAY_TOKEN, or sign in there.")
    return Connection(kept.url, token or kept.token)


def check_url(text: str) -> str:
    """Return an address of a portal in one spelling; raise ``CommandError`` where it is none."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
        usable = usable and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        error = CommandError(f"{text!r} is not the address of a portal.", "Give one such as http://127.0.0.1:8000.")
        error.exit_code = ExitCode.USAGE
        raise error
    return url
