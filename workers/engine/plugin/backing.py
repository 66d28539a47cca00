"""`slipway:local:Backing`: a PostgreSQL, a Redis or object storage of an environment's own."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from workers.embedded.accounts import service_account
from workers.embedded.errors import EmbeddedError
from workers.embedded.programs import objects_program, redis_program
from workers.embedded.template import database_template
from workers.engine.plugin import answers
from workers.engine.plugin.applications import LOG_LINES
from workers.engine.plugin.hosted import Hosted
from workers.engine.plugin.resource import (
    UNKNOWN,
    Created,
    Difference,
    InputProblem,
    ResourceFailure,
    Values,
    differing,
    require_text,
    unexpected,
)
from workers.process_host import Limits, ProcessHostError, ProcessSpec, ProcessState, ProcessStatus
from workers.process_host.client import ProcessHostClient

INPUTS = ("environment_id", "name", "kind", "password", "limits")
READY_SECONDS = 60.0
STOP_GRACE_SECONDS = 10.0

# The password comes in the environment, which only the same user can read; arguments are shown to everybody.
_POSTGRES = """set -eu
umask 077
if [ ! -s cluster/PG_VERSION ]; then
  rm -rf draft
  cp -R "$TEMPLATE" draft
  chmod -R go= draft
  # Nobody else can reach this socket; a server without a name for its user cannot be set up in any other way.
  cd draft
  echo 'local all postgres trust' > pg_hba.conf
  "$PROGRAMS/postgres" -D . -c listen_addresses= -c unix_socket_directories=. -c io_method=sync \
    -c dynamic_shared_memory_type=mmap -c shared_buffers=1MB -c fsync=off -c port=5432 &
  server=$!
  tries=0
  until "$PROGRAMS/pg_isready" -q -U postgres -h /proc/self/cwd -p 5432; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then exit 1; fi
    kill -0 $server
    sleep 0.1
  done
  "$PROGRAMS/psql" -X -q -v ON_ERROR_STOP=1 -h /proc/self/cwd -p 5432 -U postgres -d postgres <<END
ALTER ROLE postgres PASSWORD '$PASSWORD';
CREATE ROLE app LOGIN PASSWORD '$PASSWORD';
CREATE DATABASE app OWNER app;
END
  kill -INT $server
  wait $server || exit 1
  echo 'host all all 127.0.0.1/32 scram-sha-256' > pg_hba.conf
  cd ..
  sync -f draft 2> /dev/null || true
  mv draft cluster
fi
rm -f cluster/postmaster.pid
unset PASSWORD
exec "$PROGRAMS/postgres" -D cluster -c port="$PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \\
  -c shared_buffers=16MB -c max_connections=60 -c dynamic_shared_memory_type=mmap -c io_method=sync \\
  -c wal_level=minimal -c max_wal_senders=0 -c min_wal_size=2MB -c max_wal_size=64MB -c jit=off -c timezone=UTC \\
  -c log_timezone=UTC -c log_checkpoints=off -c log_min_error_statement=panic -c log_parameter_max_length_on_error=0
"""
_REDIS = """set -eu
umask 077
exec "$PROGRAMS/redis-server" - <<END
bind 127.0.0.1
port $PORT
requirepass $PASSWORD
dir .
appendonly yes
save ""
databases 16
daemonize no
END
"""
_OBJECTS = """set -eu
umask 077
mkdir -p objects/app
NANIO_ACCESS_KEY=app NANIO_SECRET_KEY="$PASSWORD"
export NANIO_ACCESS_KEY NANIO_SECRET_KEY
exec "$PYTHON" -I -c 'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module("nanio", alter_sys=True,
run_name="__main__")' "$PROGRAMS" serve --data-dir objects --host 127.0.0.1 --port "$PORT" --region us-east-1 \\
  --no-access-log --log-level warning
"""


@dataclass(frozen=True)
class _Recipe:
    """How one kind of server is run, and asked whether it is ready."""

    command: str
    farewell: str
    prepare: Callable[[Path], tuple[Mapping[str, str], tuple[str, ...]]]
    ask: Callable[[int, str], str]


def _with_postgres(templates: Path) -> tuple[Mapping[str, str], tuple[str, ...]]:
    template = database_template(templates)
    shown = (str(template.programs.parent), str(template.cluster))
    return {"PROGRAMS": str(template.programs), "TEMPLATE": str(template.cluster), "TZ": "UTC"}, shown


def _with_redis(_templates: Path) -> tuple[Mapping[str, str], tuple[str, ...]]:
    folder = str(redis_program(service_account("redis")).parent)
    return {"PROGRAMS": folder}, (folder,)


def _with_objects(_templates: Path) -> tuple[Mapping[str, str], tuple[str, ...]]:
    python, modules = objects_program(service_account("postgres"))
    return {"PYTHON": str(python), "PROGRAMS": str(modules)}, (str(modules),)


RECIPES: Mapping[str, _Recipe] = {
    # Interrupted, the server ends its sessions; asked to terminate, it would wait for them.
    "postgres": _Recipe(_POSTGRES, "INT", _with_postgres, answers.postgres),
    "redis": _Recipe(_REDIS, "TERM", _with_redis, answers.redis),
    "objects": _Recipe(_OBJECTS, "TERM", _with_objects, answers.objects),
}


class BackingResource(Hosted):
    """A server behind an application, under the user of its environment; its data stays when it is stopped.

    Inputs: `environment_id`, `name`, `kind` (`postgres`, `redis` or `objects`), `password` (letters, digits, `-` and
    `_`) and `limits`. Outputs: `port`, `process_id`, `log_file`, `state`. The data lies below the environment's
    `data/`, and goes with the environment.
    """

    type = "slipway:local:Backing"
    secrets: tuple[str, ...] = ("password",)
    noun = "server"
    inputs = INPUTS
    grace_seconds = STOP_GRACE_SECONDS
    hasty_seconds = STOP_GRACE_SECONDS

    def __init__(self, client: ProcessHostClient, cancelled: Event, data: Path) -> None:
        super().__init__(client, cancelled)
        self._data = data

    def check(self, inputs: Values) -> tuple[Values, list[InputProblem]]:
        """Check all inputs."""
        problems = unexpected(inputs, INPUTS) + require_text(inputs, "environment_id", "name", "kind", "password")
        if not problems and inputs["kind"] not in RECIPES:
            problems.append(InputProblem("kind", f"must be one of {', '.join(RECIPES)}"))
        password = inputs.get("password")
        if isinstance(password, str) and not password.replace("-", "").replace("_", "").isalnum():
            problems.append(InputProblem("password", "must be letters, digits, '-' and '_'"))
        limits = inputs.get("limits", {})
        if limits is not UNKNOWN and not (isinstance(limits, dict) and limits.keys() <= set(Limits.__slots__)):
            problems.append(InputProblem("limits", f"must be an object of {', '.join(Limits.__slots__)}"))
        return {**inputs, "limits": limits}, problems

    def diff(self, old: Values, new: Values) -> Difference:
        """Every change is another process over the same data, so that the old one goes first."""
        changed = differing(INPUTS, old, new)
        if old.get("state") != ProcessState.HEALTHY:
            changed += ("state",)
        return Difference(changed=changed, replaces=changed, delete_first=True)

    def create(self, inputs: Values) -> Created:
        """Start the server over the data that is there, or over none, and wait until it answers."""
        recipe = RECIPES[inputs["kind"]]
        try:
            env, reads = recipe.prepare(self._data / "processes" / "templates")
            spec = ProcessSpec(
                id=f"{inputs['environment_id']}.{inputs['name']}.{secrets.token_hex(4)}",
                environment_id=inputs["environment_id"],
                name=inputs["name"],
                directory=str(self._data / "environments" / inputs["environment_id"] / "data" / inputs["name"]),
                command=recipe.command,
                env={**env, "PASSWORD": inputs["password"]},
                limits=Limits(**inputs["limits"]),
                reads=reads,
                data=True,
                farewell=recipe.farewell,
            )
            return self._started(spec, lambda status: self._wait(status, recipe, inputs["password"]))
        except (ProcessHostError, EmbeddedError) as error:
            raise ResourceFailure(f"{inputs['name']}: {error}") from error

    def _wait(self, status: ProcessStatus, recipe: _Recipe, password: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        answer = "nothing listens there"
        while time.monotonic() < deadline:
            if self._cancelled.is_set():
                raise ResourceFailure(f"{status.name}: the operation was cancelled while waiting for it")
            now = self._client.status(status.id)
            if now is None or not now.alive:
                answer = f"it ended with {None if now is None else now.exit_code}"
                break
            answer = recipe.ask(status.port, password)
            if not answer:
                return
            time.sleep(0.05)
        lines = "\n".join(self._client.log_tail(status.id, lines=LOG_LINES)).replace(password, "[secret]")
        said = f" Its last lines:\n{lines}" if lines else ""
        raise ResourceFailure(f"{status.name}: not ready: {answer}.{said}")
