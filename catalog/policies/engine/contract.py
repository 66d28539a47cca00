"""What a policy engine is asked, and what it answers: values in, values out, never an exception for a bad policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

MEBIBYTE: Final = 1024 * 1024


class _Absent:
    """The type of ``ABSENT``."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""No input at all, which is not the same as null: ``input`` is then undefined in the policy."""


class DenialCode(StrEnum):
    """Why there is no result; every code means that nothing was allowed."""

    UNDEFINED = "undefined"
    ERROR = "error"
    OUT_OF_FUEL = "out_of_fuel"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_DEEP = "too_deep"
    INPUT_INVALID = "input_invalid"
    INPUT_TOO_LARGE = "input_too_large"
    OUTPUT_TOO_LARGE = "output_too_large"
    UNKNOWN_BUILTIN = "unknown_builtin"
    UNKNOWN_ENTRYPOINT = "unknown_entrypoint"
    BUNDLE_INVALID = "bundle_invalid"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one evaluation may use; whoever wants more has to say so.

    ``fuel`` counts WebAssembly instructions (a realistic release gate takes 3 million; reading the input
    is allowed 200 more for each byte), ``host_work`` the bytes that
    go through functions of the host, which fuel does not see. ``seconds`` bounds engines that are reached over a
    network; fuel bounds the others, so that the same question always gets the same answer.
    """

    fuel: int = 200_000_000
    memory_bytes: int = 128 * MEBIBYTE
    input_bytes: int = 8 * MEBIBYTE
    output_bytes: int = 2 * MEBIBYTE
    depth: int = 128
    host_work: int = 32 * MEBIBYTE
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a policy may read beside its input: the time, and a seed for what is drawn at random.

    Stored with an evaluation it makes a later one answer the same, bit for bit.
    """

    now_ns: int
    seed: str = ""


@dataclass(frozen=True, slots=True)
class CompiledBundle:
    """A bundle as it was compiled at publish.

    ``digest`` names these contents (``sha256:...``) and is the key of every cache. ``entrypoints`` are paths such as
    ``baseline/deny``; ``data`` is the bundle's own ``data.json``. ``modules`` are the sources by file with every
    package below ``prefix``, for an engine that many bundles share.
    """

    digest: str
    wasm: bytes = field(repr=False)
    entrypoints: tuple[str, ...]
    builtins: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    modules: Mapping[str, str] = field(default_factory=dict, repr=False)
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one entry point; ``data`` replaces the bundle's own where it is given.

    ``strict`` lets an error inside a builtin function of the host deny; otherwise the call is undefined, as OPA has
    it by default.
    """

    bundle: CompiledBundle
    entrypoint: str
    input: Any = ABSENT
    moment: Moment = field(default_factory=lambda: Moment(0))
    data: Mapping[str, Any] | None = None
    budget: Budget = field(default_factory=Budget)
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Decided:
    """The policy has an answer: ``value`` is JSON data, with sets as sorted lists; ``fuel`` is what it took."""

    value: Any
    fuel: int = 0


@dataclass(frozen=True, slots=True)
class Denied:
    """The policy has no answer, so nothing is allowed; ``reason`` is a sentence for people."""

    code: DenialCode
    reason: str


Outcome = Decided | Denied


@runtime_checkable
class PolicyEngine(Protocol):
    """Evaluates compiled bundles; safe to call from several threads at once."""

    name: str

    @property
    def version(self) -> str:
        """Return what answers, with versions, as it is written down beside an answer; "" where that is not known."""
        ...

    def evaluate(self, question: Question) -> Outcome:
        """Answer the question; whatever goes wrong with bundle, input or engine is a ``Denied``."""
        ...
