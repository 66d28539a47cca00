"""Addresses of repositories on Azure DevOps: many spellings, one form, and what of it the API is asked by."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from catalog.providers.scm.errors import RepositoryNotFoundError

SERVER = "https://dev.azure.com"
_SSH = "git@ssh.dev.azure.com:v3/"
_OLD_HOST = ".visualstudio.com"
_REFUSED = frozenset('\\/:*?"<>|;#${},+=[]')
_LONGEST = 64


@dataclass(frozen=True)
class Place:
    """A repository's address and its parts: ``root`` is the organisation's or collection's address."""

    address: str
    root: str
    project: str
    name: str

    @property
    def api(self) -> str:
        """Return where the API has the repository."""
        return f"{self.root}/{self.project}/_apis/git/repositories/{self.name}"


def is_claimed(repository: str) -> bool:
    """Tell whether an address is spelled as Azure DevOps spells them; ``/_git/`` is its mark on any server."""
    spelled = repository.strip().lower()
    if spelled.startswith(_SSH):
        return True
    parts = urlsplit(spelled if "://" in spelled else f"https://{spelled}")
    return parts.scheme in {"https", "http"} and ("/_git/" in parts.path or f"https://{parts.netloc}" == SERVER)


def place_of(repository: str) -> Place:
    """Return the one form of an address; raise ``RepositoryNotFoundError`` for what can be none.

    Names are compared without case by Azure DevOps, so all is lower case. A user name, as the addresses for cloning
    have it, is dropped; a password is refused. A project is left out of an address where it is called as its
    repository, and organisations were addressed as ``organisation.visualstudio.com`` before.
    """
    spelled = repository.strip()
    if spelled.lower().startswith(_SSH):
        named = spelled[len(_SSH) :].split("/")
        if len(named) == 3:
            spelled = f"{SERVER}/{named[0]}/{named[1]}/_git/{named[2]}"
    try:
        parts = urlsplit(spelled if "://" in spelled else f"https://{spelled}")
        before, mark, name = parts.path.strip("/").lower().rpartition("_git/")
        host, port, above = parts.hostname or "", parts.port, [each for each in before.split("/") if each]
    except ValueError:
        raise _none(repository) from None
    if host.endswith(_OLD_HOST):
        organisation = host.removesuffix(_OLD_HOST)
        above = [organisation, *(each for each in above if each != "defaultcollection")]
        host = "dev.azure.com"
    if host == "dev.azure.com" and len(above) == 1:
        above = [*above, name]
    is_plain = parts.scheme in {"https", "http"} and not parts.query and not parts.fragment and not parts.password
    names = [_name(each) for each in (*above, name)]
    if not host or not mark or not is_plain or len(above) < 2 or not all(names):
        raise _none(repository)
    if host == "dev.azure.com" and len(above) != 2:
        raise _none(repository)
    root = "/".join([f"{parts.scheme}://{host}{f':{port}' if port else ''}", *names[:-2]])
    return Place(f"{root}/{names[-2]}/_git/{names[-1]}", root, names[-2], names[-1])


def _name(part: str) -> str:
    """Return the one spelling of a name, "" for what can be none."""
    plain = unquote(part)
    refused = plain in {"", ".", ".."} or len(plain) > _LONGEST or any(letter in _REFUSED for letter in plain)
    return "" if refused or not plain.isprintable() else quote(plain, safe="").lower()


def _none(repository: str) -> RepositoryNotFoundError:
    return RepositoryNotFoundError(
        f"{repository[:200]!a} is no repository on Azure DevOps."
        f" Write {SERVER}/ORGANISATION/PROJECT/_git/NAME, or that of your server."
    )
