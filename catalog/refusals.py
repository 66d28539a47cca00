"""What is wrong with a value that a shape refused, in sentences for people: no pattern, no name of a type."""

from collections.abc import Mapping
from typing import Any

_NAME = "Write lower-case letters and digits, with dashes between them where you like: {} characters at the most."
_PATH = "Write NAMESPACE/NAME in lower-case letters, digits and dashes, such as acme/preview."
_LINE = "Write one line, without control characters."
_COMMIT = "Write a commit id: 7 to 64 of the digits and the letters a to f."
_TOPIC = "Write an area and what happened in it, such as asset_version.yanked, asset_version.* or *."
_LABEL = "Write letters and digits, with . _ / and - between them where you like: 63 characters at the most."

FORMS: Mapping[str, str] = {
    r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$": _NAME.format(63),
    r"^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$": f"{_NAME.format(63)} It begins with a letter.",
    r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$": _NAME.format(40),
    r"^[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?$": _NAME.format(100).replace("dashes", "dashes and dots"),
    r"^[a-z0-9-]{1,63}$": "Write lower-case letters, digits and dashes: 63 characters at the most.",
    r"^[a-z][a-z0-9-]{0,62}$": f"{_NAME.format(63)} It begins with a letter.",
    r"^[a-z][a-z0-9_]{0,62}$": "Write lower-case letters, digits and _, beginning with a letter: 63 at the most.",
    r"^[a-z0-9][a-z0-9.+-]{0,62}$": "Write a short word in lower case, such as oci-image, wheel, npm or archive.",
    r"^[A-Za-z_][A-Za-z0-9_]{0,99}$": "Write letters, digits and _, and no digit first: 100 characters at the most.",
    r"^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$": _LABEL,
    r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$": "Write a version such as 1.4.0: letters, digits and . _ + - alone.",
    r"^[\w./+@][\w./+@-]{0,199}$": "Write the name of a branch: letters, digits and . _ / + @ -, and no dash first.",
    r"^[a-z0-9-]+/[a-z0-9-]+$": _PATH,
    r"^[a-z0-9-]{1,63}/[a-z0-9-]{1,63}$": _PATH,
    r"^[0-9a-f]{64}$": "Write a SHA-256 digest: 64 of the digits and the letters a to f.",
    r"^sha256:[0-9a-f]{64}$": "Write sha256: and 64 of the digits and the letters a to f.",
    r"^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$": (
        "Write a digest: sha256: and 64 of the digits and the letters a to f, sha384: and 96, or sha512: and 128."
    ),
    r"^[0-9a-f]{7,64}$": _COMMIT,
    r"^[^\x00-\x1f\x7f]*$": _LINE,
    r"^[^\x00-\x1f\x7f]+$": _LINE,
    r"^[^\x00-\x20\x7f]*$": "Write it without spaces and control characters.",
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$": "Write text without control characters.",
    r"^[^:\x00-\x1f]*$": "Write a name without : and control characters.",
    r"^https?://[^\s]+$": "Write an address that begins with https:// or http://, without spaces.",
    r"^$|^/$|^/[^/\\\x00-\x20][^\\\x00-\x20]*$|^https://[^\x00-\x20]+$": (
        "Write an address that begins with https://, or a path of this portal that begins with /."
    ),
    r"^[A-Za-z0-9.-]{1,240}(:[0-9]{1,5})?$": "Write a host and perhaps a port, such as registry.example.com:5000.",
    r"^(\*|[a-z_]+\.(\*|[a-z_]+))$": _TOPIC,
    r"^(/([^~/]|~[01])+)+$": "Write the place of an input as a JSON pointer, such as /database/size.",
    r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$": "Write a time of day, such as 22:30.",
    r"^(?:[1-9][0-9]{0,4}|(?:100|[1-9][0-9]?)%)$": "Write how many, such as 5, or a part of all, such as 20%.",
}
"""What has to be written where a pattern stands, by the pattern."""


def sentence(error: Mapping[str, Any]) -> str:
    """Return what is wrong and what to do, of one error as Pydantic lists it; it never repeats the value."""
    if error["type"] == "string_pattern_mismatch":
        return FORMS.get(str(error["ctx"]["pattern"]), "This does not have the form that is asked for here.")
    text = str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    return f"{text}."
