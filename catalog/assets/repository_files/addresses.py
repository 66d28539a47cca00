"""Where one service of a file finds another: names of hosts in texts become references to components."""

import re
from collections.abc import Mapping

from catalog.assets.repository_files.notes import literal

_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^@/\s]*@)?(?P<host>[a-z0-9-]+)(?::[0-9]{1,5})?(?P<rest>[/?#].*)?"
)
_PLACE = re.compile(r"(?P<host>[a-z0-9-]+)(?P<port>:[0-9]{1,5})?")


def wired(text: str, kinds: Mapping[str, str]) -> str:
    """Return a value of an environment variable as wiring; ``kinds`` are the components' types by name.

    A host that is a component becomes a reference: alone, with a port, or in a URL. User, password and database in a
    URL are then those that the component has.
    """
    match = _URL.fullmatch(text)
    if match is not None and match["host"] in kinds:
        name, rest = match["host"], match["rest"] or ""
        at = f"${{{name}.host}}:${{{name}.port}}"
        scheme, kind = match["scheme"], kinds[name]
        if kind == "postgres":
            query = f"?{rest.partition('?')[2]}" if "?" in rest else ""
            user = f"${{{name}.user}}:${{{name}.password}}"
            return f"{scheme}://{user}@{at}/${{{name}.database}}{literal(query)}"
        user = f":${{{name}.password}}@" if kind == "redis" else ""
        return f"{scheme}://{user}{at}{literal(rest)}"
    match = _PLACE.fullmatch(text)
    if match is not None and match["host"] in kinds:
        name = match["host"]
        return f"${{{name}.host}}:${{{name}.port}}" if match["port"] else f"${{{name}.host}}"
    return literal(text)
