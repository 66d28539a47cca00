"""How a component may set up a provider: named settings, so that none reads the worker's files, identity or network."""

import json
import re
from typing import Any

from google.protobuf import struct_pb2

from workers.engine.state import SECRET_SIGNATURE, SIGNATURE_KEY, UNKNOWN

_ALLOWED = frozenset(
    {
        "version", "region", "accessKey", "secretKey", "token", "project", "zone", "credentials", "accessToken",
        "subscriptionId", "tenantId", "clientId", "clientSecret", "location", "defaultTags", "defaultLabels",
    }
)  # fmt: skip
_FIXED = {
    "skipCredentialsValidation": ("true", "false"),
    "skipRegionValidation": ("true", "false"),
    "skipMetadataApiCheck": ("true",),
    "skipProviderRegistration": ("true", "false"),
    "storageUseAzuread": ("true", "false"),
    "environment": ("public",),
    "metadataHost": ("",),
    "useMsi": ("false",),
    "useOidc": ("false",),
}
"""What the providers' own packages set by themselves, and the values of it that do no harm."""
_PLACES = frozenset({"region", "zone", "location"})
_PLACE = re.compile(r"[A-Za-z0-9 -]{1,60}")
"""Places become parts of addresses that the provider calls."""
_OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_WRAPPINGS = frozenset({SECRET_SIGNATURE, _OUTPUT_SIGNATURE})
_DEEPEST = 8
_KEY_FIELDS = frozenset(
    {
        "type", "project_id", "private_key_id", "private_key", "client_email", "client_id", "client_secret",
        "refresh_token", "quota_project_id", "auth_uri", "token_uri", "auth_provider_x509_cert_url",
        "client_x509_cert_url", "universe_domain",
    }
)  # fmt: skip
_KEY_VALUES = {
    "type": ("service_account", "authorized_user"),
    "token_uri": ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token"),
    "universe_domain": ("googleapis.com",),
}
"""Other sorts of keys name files, programs or addresses to get a token from."""


def wrong_setting(settings: struct_pb2.Struct) -> str:
    """Return what is wrong with the properties of a provider, "" where nothing is; values are never repeated."""
    for name, value in settings.fields.items():
        known = _plain(value)
        if name == "credentials":
            if not _is_key(known):
                return "sets credentials, which has to be the text of a key, known before anything is made"
        elif name in _FIXED:
            if known not in _FIXED[name]:
                return f"sets {name}, which components may set to {' or '.join(map(repr, _FIXED[name]))} only"
        elif name in _PLACES:
            if known is not None and not _PLACE.fullmatch(known):
                return f"sets {name} to what is no name of a place"
        elif name not in _ALLOWED:
            return f"sets {name[:100]}, which components may not set of a provider"
    return ""


def _plain(value: struct_pb2.Value) -> str | None:
    """Return a setting as text, out of what marks it as a secret or an output; None where it is not known yet."""
    for _ in range(_DEEPEST):
        kind = value.WhichOneof("kind")
        if kind == "string_value":
            return None if value.string_value in UNKNOWN else value.string_value
        if kind == "bool_value":
            return "true" if value.bool_value else "false"
        fields = value.struct_value.fields
        if kind != "struct_value" or SIGNATURE_KEY not in fields:
            break
        if fields[SIGNATURE_KEY].string_value not in _WRAPPINGS:
            break
        if "value" not in fields:
            return None
        value = fields["value"]
    return json.dumps("not a text")  # what is no text is none of the values that are allowed


def _is_key(text: str | None) -> bool:
    if text is None or not text.startswith("{"):
        return False
    try:
        pairs: Any = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return False
    # Readers of other languages take the last of several, or names in other letters, for the same field.
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names) or not _KEY_FIELDS.issuperset(names) or "type" not in names:
        return False
    return all(isinstance(each, str) and each in _KEY_VALUES.get(name, (each,)) for name, each in pairs)
