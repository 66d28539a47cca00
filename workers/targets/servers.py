"""Servers behind services: what others are told of one, and how one runs in a container where there is none to buy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalog.settings import Settings
from workers.targets import Address, BackingService, Probe

OWNER = "app"
"""What the database of an environment is called, and its bucket, and the user to whom they belong."""
REGION = "us-east-1"
READY_SECONDS = 120.0
DATA = "/data"
"""Where a server in a container keeps what it holds."""

_REDIS = f"""umask 077
exec redis-server - <<END
bind 0.0.0.0
port $PORT
requirepass $REDIS_PASSWORD
dir {DATA}
appendonly yes
save ""
daemonize no
END"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of server runs in a container: where it listens, its image, variables, command and sign of life."""

    port: int
    image: Callable[[Settings], str]
    variables: Callable[[str], Mapping[str, str]]
    command: Callable[[Settings], str | None]
    asks: str = ""


RECIPES: Mapping[str, Recipe] = {
    # As the official image has it: without a command of ours it sets up its data, owned by a user of its own.
    "postgres": Recipe(
        5432,
        lambda settings: settings.postgres_image,
        lambda password: {
            "POSTGRES_USER": OWNER,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": OWNER,
            "PGDATA": f"{DATA}/cluster",
        },
        lambda _: None,
        # While it sets itself up it listens on no port.
        f"pg_isready --quiet --host=127.0.0.1 --port=5432 --username={OWNER} --dbname={OWNER}",
    ),
    "redis": Recipe(
        6379,
        lambda settings: settings.redis_image,
        lambda password: {"REDIS_PASSWORD": password},
        lambda _: _REDIS,
    ),
    "objects": Recipe(
        9000,
        lambda settings: settings.objects_image,
        lambda password: {"ROOT_ACCESS_KEY": OWNER, "ROOT_SECRET_KEY": password, "VGW_REGION": REGION},
        lambda settings: f"mkdir -p {DATA}/{OWNER} && VGW_PORT=:$PORT && export VGW_PORT && {settings.objects_command}",
    ),
}


def probe_of(server: BackingService) -> Probe:
    """Return how a server in a container shows that it is ready."""
    return Probe("", READY_SECONDS, command=RECIPES[server.kind].asks)


def named(server: str, kind: str) -> Address:
    """Return where a server is found by its name."""
    port = str(RECIPES[kind].port)
    return Address(server, port, f"http://{server}:{port}/")


def told(kind: str, address: Address, password: str, **other: str) -> dict[str, str]:
    """Return what services are told of a server, by the names that blueprints have for it; ``other`` takes precedence.

    The texts may hold references of the engine.
    """
    user, database = other.get("user", OWNER), other.get("database", OWNER)
    place = f"{address.host}:{address.port}"
    values: Mapping[str, Mapping[str, str]] = {
        "postgres": {
            "url": f"postgresql://{user}:{password}@{place}/{database}",
            "user": user,
            "database": database,
            "password": password,
        },
        "redis": {"url": f"redis://:{password}@{place}", "password": password},
        "objects": {
            "url": f"http://{place}",
            "bucket": OWNER,
            "region": REGION,
            "access_key": OWNER,
            "secret_key": password,
        },
    }
    return {"host": address.host, "port": address.port, **values[kind], **other}
