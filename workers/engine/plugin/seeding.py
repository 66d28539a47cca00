"""What fillings of databases have in common wherever the database runs: inputs, files, and the note that it was done.

The note is the comment on the database, so that it is true for as long as the data is there.
"""

from pathlib import Path

from workers.engine.plugin.applications import file_of
from workers.engine.plugin.resource import UNKNOWN, InputProblem, ResourceFailure, Values, require_text, unexpected

LONGEST_SECONDS = 600.0
_PSQL = "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1"
_NOTE = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = current_database()"
BEGIN = f"""set -eu
note=$({_PSQL} --tuples-only --no-align --command="{_NOTE}")
if [ "$note" = "slipway: filled" ]; then echo filled; exit 0; fi
if [ "$note" = "slipway: filling" ]; then
  {_PSQL} --dbname=postgres --command="DROP DATABASE IF EXISTS \\"$PGDATABASE\\" WITH (FORCE)" \\
    --command="CREATE DATABASE \\"$PGDATABASE\\" OWNER \\"$PGUSER\\""
fi
{_PSQL} --command="COMMENT ON DATABASE \\"$PGDATABASE\\" IS 'slipway: filling'"
echo begun
"""
"""Says `filled` where that was done; otherwise `begun`, once what was broken off before is made anew."""
CHECK = f"""set -eu
note=$({_PSQL} --tuples-only --no-align --command="{_NOTE}")
[ "$note" = "slipway: filled" ]
"""
"""Comes to a good end where that was done."""
END = f"""exec {_PSQL} --command="COMMENT ON DATABASE \\"$PGDATABASE\\" IS 'slipway: filled'"
"""


def fill(file: str) -> str:
    """Return the command that fills the database with an SQL file, as a whole or not at all."""
    return f"exec {_PSQL} --single-transaction --file={file}"


def at_once(work: str) -> str:
    """Return the whole of a filling as one script, for where ``work`` and the programs of PostgreSQL can be run."""
    return f'set -e\nnote=$({BEGIN})\ncase "$note" in *begun) ;; *) exit 0 ;; esac\n({work})\n{END}'


def in_steps(work: str, folder: str) -> dict[str, str]:
    """Return a filling as scripts by name, run one after the other: ``work`` where it can be done, the others by it.

    They share ``folder``. What comes after a script that fails is not begun.
    """
    done = f"{folder}/filled"
    # Not part of a condition, in which the shell would pass over what fails.
    begin = f"set -e\n({BEGIN}) > {folder}/note\ngrep -q begun {folder}/note || touch {done}"
    return {"begin": begin, "fill": f"[ -e {done} ] && exit 0\n{work}", "end": f"[ -e {done} ] && exit 0\n{END}"}


def checked_seed(inputs: Values, allowed: tuple[str, ...], texts: tuple[str, ...]) -> tuple[Values, list[InputProblem]]:
    """Check what a filling is described by: `env`, and either `sql` or `command`."""
    problems = unexpected(inputs, allowed) + require_text(inputs, *texts)
    if ("sql" in inputs) == ("command" in inputs):
        problems.append(InputProblem("command", "give either command or sql"))
    env = inputs.get("env", {})
    if env is not UNKNOWN and not isinstance(env, dict):
        problems.append(InputProblem("env", "must map names to text"))
    if isinstance(env, dict):
        # A variable that is one reference and nothing else keeps the type of what it refers to, as a port.
        env = {name: str(value) if isinstance(value, int) else value for name, value in env.items()}
    return {**inputs, "env": env}, problems


def sql_of(inputs: Values, largest: int) -> str:
    """Return the SQL file that is named, from the checkout; raise where it leads out of it, or is too large."""
    top, name = Path(inputs["directory"]), inputs["database"]
    try:
        path = (top / inputs["sql"]).resolve()
        path.relative_to(top.resolve())
        text = file_of(path, largest + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise ResourceFailure(f"{name}: there is no readable {inputs['sql']} in the application's files") from error
    if len(text) > largest:
        raise ResourceFailure(f"{name}: {inputs['sql']} is larger than {largest // 1024} KiB; fill it with a command")
    return text
