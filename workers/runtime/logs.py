"""Structured logs: one JSON object a line, with the ids of the work at hand and without secrets."""

import json
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from catalog.settings import Settings

_BOUND: ContextVar[dict[str, str]] = ContextVar("slipway_log_ids")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")
_QUIET = ("botocore", "boto3", "urllib3", "httpx", "httpcore")


@contextmanager
def bind(**ids: object) -> Iterator[None]:
    """Put ``ids`` into every log line of this context until the block ends; those that are None are left out."""
    values = {name: str(value) for name, value in ids.items() if value is not None}
    token = _BOUND.set({**_BOUND.get({}), **values})
    try:
        yield
    finally:
        _BOUND.reset(token)


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; ``secrets`` are texts that never appear, wherever they come from."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= 4]

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for ``record``."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_BOUND.get({}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(line, ensure_ascii=False))

    def _redact(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
        return _PASSWORD_IN_URL.sub(r"\1:***", line)


def secrets_of(settings: Settings) -> list[str]:
    """Return every secret that the settings hold."""
    urls = (settings.database_url, settings.owner_url, settings.system_url, settings.redis_url)
    passwords = {urlsplit(url).password for url in urls if url}
    secrets = {password for password in passwords if password} | {unquote(p) for p in passwords if p}
    if settings.master_key is not None:
        secrets.add(settings.master_key.get_secret_value())
    return sorted(secrets, key=len, reverse=True)


def configure(settings: Settings, level: int = logging.INFO) -> None:
    """Send every log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets_of(settings)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
