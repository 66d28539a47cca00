"""The limits of an archive, as one value, so that a test can make them small."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How large an archive may be; sizes in bytes.

    ``ratio`` (unpacked to packed) counts only beyond ``ratio_floor``, because the zeros that fill up a small tar
    compress better than any bomb. ``kept_file`` and ``kept_total`` bound what stays in memory after reading; larger
    files are digested and read again when they are asked for.
    """

    packed: int = 25 * MEBIBYTE
    unpacked: int = 100 * MEBIBYTE
    files: int = 5000
    ratio: int = 100
    ratio_floor: int = MEBIBYTE
    path: int = 240
    extended_header: int = 64 * 1024
    kept_file: int = MEBIBYTE
    kept_total: int = 16 * MEBIBYTE


LIMITS = Limits()
