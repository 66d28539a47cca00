"""What an approval of a release is bound to, as a pure function of what the release consists of."""

import hashlib
from collections.abc import Iterable

SHA256 = "sha256:"


def plan_digest(digests: Iterable[str]) -> str:
    """Return what an approval of just these artifacts is bound to: a SHA-256, in hexadecimal.

    ``digests`` read ``sha256:...``. Of one artifact it is that artifact's own. Of several it is the SHA-256 of all of
    them in hexadecimal, sorted, each once and on a line of its own: what
    ``sha256sum FILES | cut -d ' ' -f 1 | sort -u | sha256sum`` says.
    """
    found = sorted(set(digests))
    if len(found) == 1 and found[0].startswith(SHA256):
        return found[0].removeprefix(SHA256)
    lines = sorted(each.partition(":")[2] for each in found)
    return hashlib.sha256("".join(f"{each}\n" for each in lines).encode()).hexdigest()
