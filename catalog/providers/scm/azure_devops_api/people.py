"""Who somebody is to a repository on Azure DevOps, and what the connection's own account may do there.

Azure DevOps says nothing of how an author stands to a repository, as GitHub does. It is derived from what it does say:
administrators of the project's default team are taken for its owners, members of that team for members. In a private
project whoever is heard at all was let in by its organisation, and is a collaborator; in a public one, nobody.
"""

import time
from typing import Any

from catalog.providers.scm.azure_devops_api.addresses import Place
from catalog.providers.scm.azure_devops_api.client import AzureError, Client
from catalog.providers.scm.errors import CredentialsRefusedError, MissingRightsError
from catalog.providers.scm.values import Association, Right

# The security namespace "Git Repositories" and its bits, the same on every server.
_NAMESPACE = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87"
_READ, _CONTRIBUTE, _CREATE_BRANCH, _PULL_REQUESTS = 2, 4, 16, 16384
_NAMES = {
    _READ: "Read",
    _CONTRIBUTE: "Contribute",
    _CREATE_BRANCH: "Create branch",
    _PULL_REQUESTS: "Contribute to pull requests",
}
_NEEDED = {
    Right.READ: (_READ,),
    Right.PUSH: (_CONTRIBUTE, _CREATE_BRANCH),
    Right.PULL_REQUESTS: (_PULL_REQUESTS,),
    Right.DEPLOYMENTS: (_PULL_REQUESTS,),
    Right.STATUSES: (_CONTRIBUTE,),
    Right.ENVIRONMENTS: (_PULL_REQUESTS,),
}
_KEPT_SECONDS = 300.0
_PAGE = 100
_BOTS = ("svc.", "aadsp.", "s2s.")


class People:
    """The people around one project; what is found out about them is kept for five minutes."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = client
        self._place = place
        self._known: dict[str, Association] = {}
        self._others = Association.NONE
        self._good_until = 0.0

    def association(self, identity: Any) -> Association:
        """Return how somebody stands to the repository; nobody has a part in it where the members cannot be asked."""
        if time.monotonic() >= self._good_until:
            self._look()
        return self._known.get(str((identity or {}).get("id", "")).lower(), self._others)

    def missing(self, repository: Any) -> dict[Right, str]:
        """Return for each right that is not given what would give it; none where the server does not tell.

        Permissions of the account count here. What a token's scopes leave of them is told only when it is used.
        """
        token = f"repoV2/{repository['project']['id']}/{repository['id']}"
        asked = [{"securityNamespaceId": _NAMESPACE, "token": token, "permissions": bit} for bit in _NAMES]
        body = {"evaluations": asked, "alwaysAllowAdministrators": False}
        try:
            told = self._client.send("POST", f"{self._place.root}/_apis/security/permissionevaluationbatch", body)
        except (AzureError, MissingRightsError, CredentialsRefusedError):
            return {}
        refused = {each["permissions"] for each in told["evaluations"] if not each["value"]}
        return {
            right: f"The account needs the permission '{_NAMES[bit]}' in the security of the repository."
            for right, bits in _NEEDED.items()
            for bit in bits
            if bit in refused
        }

    def _look(self) -> None:
        known, others = dict[str, Association](), Association.NONE
        projects = f"{self._place.root}/_apis/projects/{self._place.project}"
        try:
            project = self._client.get(projects)
            members = f"{projects}/teams/{project['defaultTeam']['id']}/members"
            for page in range(100):
                listed = self._client.get(members, {"$top": _PAGE, "$skip": page * _PAGE})["value"]
                for each in listed:
                    part = Association.OWNER if each.get("isTeamAdmin") else Association.MEMBER
                    known[str(each["identity"]["id"]).lower()] = part
                if len(listed) < _PAGE:
                    break
            others = Association.COLLABORATOR if project.get("visibility") == "private" else Association.NONE
        except (AzureError, MissingRightsError, CredentialsRefusedError, KeyError):
            known = {}
        self._known, self._others = known, others
        self._good_until = time.monotonic() + _KEPT_SECONDS


def name_of(identity: Any) -> str:
    """Return the name by which somebody signs in, else the one that is shown."""
    told = identity or {}
    return str(told.get("uniqueName") or told.get("displayName") or "")


def is_bot(identity: Any) -> bool:
    """Tell whether an identity is a service's: a build service, a service principal, Azure DevOps itself."""
    told = identity or {}
    return str(told.get("descriptor", "")).startswith(_BOTS) or str(told.get("uniqueName", "")).startswith("Build\\")
