"""``slipway``: the one place where a failure of a command becomes a message and an exit status."""

import os
import sys
import traceback
from collections.abc import Sequence

import click
from platformdirs import user_log_path

from catalog.errors import SlipwayError
from portal.cli.commands import COMMANDS
from portal.cli.errors import CommandError, ExitCode, exit_code_of
from portal.cli.text import plain


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; whatever goes wrong is said in words, never as a traceback."""
    try:
        status = COMMANDS.main(args=arguments, prog_name="slipway", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough. Closing it again at exit must not fail a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except (Exception, click.Abort) as error:  # noqa: BLE001  # the last resort: nobody but us wants to see a traceback
        failure = _described(error)
        lines = [f"slipway: {failure.message}", *(f"  {line}" for line in failure.details), failure.hint]
        click.echo(plain("\n".join(line for line in lines if line)), err=True)
        return failure.exit_code
    return status if isinstance(status, int) else ExitCode.DONE


def _described(error: BaseException) -> CommandError:
    """Return what is to be said of an error, and with which exit status."""
    match error:
        case CommandError():
            return error
        case SlipwayError():
            details = tuple(f"{each.pointer}: {each.detail}".removeprefix(": ") for each in error.errors)
            failure = CommandError(f"{error.title}: {error.detail}", details=details)
            failure.exit_code = exit_code_of(error.status)
            return failure
        case click.Abort():
            return CommandError("Stopped.")
        case OSError():
            return CommandError(_os_problem(error))
        case _:
            return CommandError(f"Something went wrong in the command itself ({type(error).__name__}).", _log(error))


def _os_problem(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


def _log(error: BaseException) -> str:
    """Append the traceback to the log and say where that is."""
    path = user_log_path("slipway") / "command.log"
    text = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", opener=_private) as log:
            log.write(text)
    except OSError:
        return f"No details were kept, because {path} cannot be written."
    return f"Details are in {path}."


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


if __name__ == "__main__":
    sys.exit(main())
