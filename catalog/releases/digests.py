"""What an approval of a release is bound to, as a pure function of what the release consists of."""

import hashlib
from collections.abc import Iterable

SHA256 = "sha256:"


def plan_digest(digests: Iterable[str]) -> str:
    """Return what an approval of just these artifacts is bound to: 64 hexadecimal digits.

    ``digests`` read ``sha256:...``. Of one artifact it is that artifact's own. Of several it is the first half of the
    SHA-512 of all of them in hexadecimal, sorted, each once and on a line of its own: what
    ``sha256sum FILES | cut -d ' ' -f 1 | sort -u | sha512sum | cut -c -64`` says. Not their SHA-256, which is also that
    of one file with these lines in it: a yes to that file would be one to all that it lists.
    """
    found = sorted(set(digests))
    if len(found) == 1 and found[0].startswith(SHA256):
        return found[0].removeprefix(SHA256)
    lines = sorted(each.partition(":")[2] for each in found)
    return hashlib.sha512("".join(f"{each}\n" for each in lines).encode()).hexdigest()[:64]
