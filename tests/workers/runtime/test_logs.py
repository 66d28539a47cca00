"""Logs are JSON lines with ids and without secrets."""

import json
import logging
import sys

from pydantic import SecretStr

from catalog.settings import Settings
from workers.runtime.logs import JsonLines, bind, secrets_of


def _line(formatter: JsonLines, message: str, *arguments: object, failed: bool = False) -> str:
    error = sys.exc_info() if failed else None
    return formatter.format(logging.LogRecord("slipway", logging.INFO, "file", 1, message, arguments, error))


def test_a_line_carries_the_ids_of_the_work_at_hand() -> None:
    with bind(tenant_id="t", event_id=None), bind(delivery_id=7):
        line = json.loads(_line(JsonLines(), "done in %d s", 3))
    assert {name: line[name] for name in ("message", "tenant_id", "delivery_id", "level")} == {
        "message": "done in 3 s",
        "tenant_id": "t",
        "delivery_id": "7",
        "level": "info",
    }
    assert "event_id" not in line
    assert "delivery_id" not in json.loads(_line(JsonLines(), "later"))


def test_no_line_shows_a_secret_of_the_settings_or_a_password_in_an_address() -> None:
    settings = Settings(
        database_url="postgresql+psycopg://slipway_app:s3cr%25t@/db",
        redis_url="redis://:queue-password@localhost/0",
        master_key=SecretStr('key-with-"quotes"'),
    )
    formatter = JsonLines(secrets_of(settings))
    try:
        raise ValueError('s3cr%t and key-with-"quotes"')  # noqa: TRY301  # what is raised is what is tested
    except ValueError:
        line = _line(formatter, "at %s, https://user:other@host/", settings.redis_url, failed=True)
    for secret in ("s3cr", "queue-password", "quotes", "other"):
        assert secret not in line
    assert "https://user:***@host/" in json.loads(line)["message"]
