"""The registry of event types: each a frozen class with a name and a version, never edited once released."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from catalog.discovery import DiscoveryError, modules
from catalog.events.reach import Reach, usual

TYPE_PREFIX = "dev.slipway"


class EventData(BaseModel):
    """The base of every event's data: ids and plain values, never secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_name: ClassVar[str]
    event_version: ClassVar[int]

    @classmethod
    def event_type(cls) -> str:
        """Return the CloudEvents ``type``, such as ``dev.slipway.environment.requested.v1``."""
        return f"{TYPE_PREFIX}.{cls.event_name}.v{cls.event_version}"

    def reach(self) -> Reach:
        """Return whose simple index may say something else from now on; a class overrides it that knows better."""
        return usual(self.event_name)


E = TypeVar("E", bound=type[EventData])

_REGISTRY: dict[str, type[EventData]] = {}


def event(name: str, *, version: int) -> Callable[[E], E]:
    """Register a class as the data of the event ``name`` in ``version``; a name taken twice stops the process."""

    def register(cls: E) -> E:
        cls.event_name = name
        cls.event_version = version
        taken = _REGISTRY.setdefault(cls.event_type(), cls)
        if taken is not cls:
            raise DiscoveryError(f"{cls.__qualname__} claims {cls.event_type()}, which {taken.__qualname__} has")
        return cls

    return register


def load_events() -> dict[str, type[EventData]]:
    """Import every module that may register events and return all types, by CloudEvents type."""
    for _ in modules("slipway.events", depth=2):
        pass
    return dict(sorted(_REGISTRY.items()))


def event_class(event_type: str) -> type[EventData]:
    """Return the class registered for a CloudEvents type; raise ``KeyError`` where none is."""
    return _REGISTRY[event_type]
