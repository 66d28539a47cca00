"""What databases in clouds begin with: the steps of a filling, what they are given, and the run of its job."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workers.engine import ProgramResource
from workers.engine.plugin.seeding import LONGEST_SECONDS, at_once, fill, in_steps
from workers.engine.references import escaped
from workers.targets import BackingService, Description, Place
from workers.targets.containers import filler, free_seed_name, server_image
from workers.targets.images import needed_image
from workers.targets.local import checkout, seed_name

SHARED = "/slipway"
"""The folder that steps share."""
SECONDS = int(LONGEST_SECONDS)
_FILES = "files_own"
_PACKED = "SLIPWAY_SEED"
_FILE = "/tmp/slipway-seed.sql"  # noqa: S108  # of the container
_UNPACK = f'set -e\nprintf %s "${_PACKED}" | base64 -d | gunzip > {_FILE}\n{fill(_FILE)}'


@dataclass(frozen=True, slots=True)
class Step:
    """One container of a filling: its name, its image, and what its shell does; both are as the engine reads them."""

    name: str
    image: str
    script: str


@dataclass(frozen=True, slots=True)
class Filling:
    """How one database is filled: ``steps`` one after the other, each with ``env``; one is enough for an SQL file."""

    server: BackingService
    steps: tuple[Step, ...]
    env: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the filling is called where people see it; no component is called so."""
        return f"{self.server.name}-seed"

    @property
    def own(self) -> str:
        """What the run is called as a resource, and what the names of others that it needs end with."""
        return seed_name(self.server.name)


def fillings(environment: Description, place: Place, target: str) -> tuple[Filling, ...]:
    """Return how each database of an environment is filled that begins with something."""
    return tuple(_filling(environment, each, place, target) for each in environment.backing if each.seed is not None)


def _filling(environment: Description, server: BackingService, place: Place, target: str) -> Filling:
    free_seed_name(environment, server)
    image = escaped(server_image(server, place))
    assert server.seed is not None  # noqa: S101  # as its caller has seen
    if server.seed.sql is not None:
        env = {**server.seed.env, _PACKED: f"${{script_{server.name}.packed}}"}
        return Filling(server, (Step("fill", image, escaped(at_once(_UNPACK))),), env)
    own = escaped(needed_image(environment, filler(environment, server.name), place.settings, target))
    steps = (
        Step(name, own if name == "fill" else image, escaped(script))
        for name, script in in_steps(server.seed.command or "", SHARED).items()
    )
    return Filling(server, tuple(steps), dict(server.seed.env))


def scripts(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return the SQL files that databases begin with, and the checkout from which they are read."""
    named = [(each.name, each.seed.sql) for each in environment.backing if each.seed is not None and each.seed.sql]
    if not named:
        return ()
    own = {"directory": f"${{{_FILES}.directory}}"}
    return (
        # Services of a cloud are called as their components are, and one may be called as checkouts are.
        replace(checkout(environment, place), name=_FILES),
        *(
            ProgramResource(f"script_{name}", "slipway:cloud:Script", {**own, "database": name, "sql": sql})
            for name, sql in named
        ),
    )


def run(
    environment: Description,
    filling: Filling,
    cloud: str,
    job: Mapping[str, Any],
    needs: tuple[str, ...],
    beside: Mapping[str, Any] | None = None,
) -> ProgramResource:
    """Return the run of a filling's ``job``; with ``beside`` that one runs the command alone."""
    inputs = {
        "environment_id": str(environment.environment_id),
        "database": filling.server.name,
        "server": f"${{{filling.server.name}.id}}",
        "cloud": cloud,
        "job": job,
        "env": dict(filling.env),
        **({"problem": f"${{script_{filling.server.name}.problem}}"} if _PACKED in filling.env else {}),
        **({} if beside is None else {"beside": beside}),
    }
    return ProgramResource(
        name=filling.own,
        type="slipway:cloud:Seed",
        inputs=inputs,
        depends_on=(filling.server.name, *needs),
        secret_inputs=("env",),
    )
