"""The forms in which a secret turns up in what programs say: whole, in lines, quoted, or the password of an address."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

SHORTEST = 4
"""Secrets of fewer characters are not looked for: they stand everywhere by chance."""
_SHORTEST_LINE = 8
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:([^/\s]+)@")


def secret_texts(secrets: Iterable[str], shortest: int = SHORTEST) -> frozenset[str]:
    """Return every text that must not be shown where these must not, of ``shortest`` characters and more each."""
    found = {form for each in secrets for form in _forms(each)}
    return frozenset(each for each in found if len(each) >= shortest)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    # Programs say things line by line.
    yield from (each.strip() for each in secret.splitlines() if len(each.strip()) >= _SHORTEST_LINE)
    for password in _IN_ADDRESS.findall(secret):
        yield password
        yield unquote(password)
