"""Git repositories on this machine: branches are heads, a pull request is a ref, and a record where Slipway opened it.

Pull request N is the commit of, in this order: the branch it was requested with; the ref ``refs/pull/N/head`` (the
name GitHub uses); a branch called ``pull/N``, ``pr/N`` or ``pr-N``. It is closed once that ref is gone, or its record
says so. Whoever may write into the repository is its owner.
"""

from collections.abc import Mapping, Sequence

from catalog.errors import InvalidInputError
from catalog.providers.scm import Access, HookDelivery, Repository
from catalog.providers.scm.local_git_places import demo_repositories, place_of
from catalog.providers.scm.local_git_repository import LocalRepository
from catalog.settings import Settings

__all__ = ["PROVIDER", "LocalGit", "demo_repositories"]


class LocalGit:
    """The provider ``local_git``; only repositories below ``settings.local_repository_roots`` are read."""

    name = "local_git"

    def claims(self, repository: str) -> bool:
        """Tell whether the address is an absolute path or a ``file://`` URL."""
        return repository.startswith(("/", "file:///", "~"))

    def normalise(self, repository: str, settings: Settings) -> str:
        """Return the repository's real absolute path; one outside the allowed roots does not exist."""
        return str(place_of(repository, settings))

    def open(self, repository: str, access: Access, settings: Settings) -> Repository:
        """Open a repository; the account that Slipway runs under is all the access there is."""
        del access
        return LocalRepository(place_of(repository, settings))

    def hook_is_genuine(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
        """Return False: Git's own hooks call ``/hooks/git`` with a token and sign nothing."""
        del headers, body, secrets
        return False

    def parse_hook(self, headers: Mapping[str, str], body: bytes) -> HookDelivery:
        """Raise ``InvalidInputError``: there are no deliveries of this kind."""
        del headers, body
        raise InvalidInputError("A repository on this machine sends no signed hooks. Call /hooks/git with a token.")


PROVIDER = LocalGit()
