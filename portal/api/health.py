"""Whether this process lives, and whether an environment could be made now."""

from litestar import get
from pydantic import BaseModel, Field

from catalog.clock import now
from catalog.errors import FieldError, UnavailableError
from catalog.heartbeats.service import HeartbeatService
from portal.api.documentation import problems
from portal.boundary import OpenSession


class Health(BaseModel):
    """The process answers."""

    status: str = Field(default="ok", examples=["ok"])


class Ready(BaseModel):
    """An environment could be made now; ``capabilities`` are what the living processes can do together."""

    ready: bool = True
    capabilities: list[str] = Field(examples=[["engine", "relay", "target:local", "worker"]])


@get("/health/live", operation_id="get_liveness", summary="Is this process alive?", tags=["health"],
     opt={"anonymous": True}, sync_to_thread=False)  # fmt: skip
def live() -> Health:
    """Answer as long as the process can answer at all."""
    return Health()


@get("/health/ready", operation_id="get_readiness", summary="Could an environment be made now?", tags=["health"],
     opt={"anonymous": True}, sync_to_thread=True, responses=problems(503))  # fmt: skip
def ready(session: OpenSession) -> Ready:
    """Answer 200 when database, relay, worker, engine and target are there, else 503 with everything missing."""
    readiness = HeartbeatService(session).readiness(now())
    if not readiness.ready:
        reasons = [FieldError("", reason) for reason in readiness.missing]
        raise UnavailableError("An environment could not be made now. " + " ".join(readiness.missing), reasons)
    return Ready(capabilities=sorted(readiness.capabilities))
