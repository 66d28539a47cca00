"""A client of npm registries that fetches one package file and compares it with its digest."""

import hashlib

from catalog.providers.registries import LARGEST_IMAGE, Access, RegistryError
from catalog.providers.websites import WebsiteError, ask

_SECONDS = 120.0


def package_file(access: Access, path: str, digest: str) -> bytes:
    """Return the file at ``path`` of a registry; raise `RegistryError` where it is not the one of ``digest``."""
    headers = {"Authorization": f"Bearer {access.secret}"} if access.secret else {}
    url = f"https://{access.host}{path}"
    try:
        answer = ask("GET", url, access.settings, headers=headers, largest=LARGEST_IMAGE, seconds=_SECONDS)
    except WebsiteError as error:
        raise RegistryError(str(error)) from None
    if answer.status != 200:
        raise RegistryError(f"{access.host} answers {answer.status} for {path[:200]}.")
    if f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != digest:
        raise RegistryError(f"{access.host} answered with something else than {digest[:19]}.")
    return answer.body
