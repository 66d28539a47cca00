"""Text from elsewhere, made harmless for a terminal."""

import re

# Control characters (C0 without tab and newline, DEL, C1) and the sequences that begin with ESC. What applications
# and publishers wrote must not steer the reader's terminal.
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(value: object) -> str:
    """Return ``value`` as text without anything that a terminal would take for a command."""
    return _CONTROLS.sub("", "" if value is None else str(value))
