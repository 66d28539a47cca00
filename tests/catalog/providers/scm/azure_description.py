"""What Azure DevOps takes and answers, described by hand: just the routes that the adapter uses, and just their shapes.

It is derived from the descriptions that Microsoft publishes (MicrosoftDocs/vsts-rest-api-specs: ``git``, ``core`` and
``security``, version 7.0), which no package registry has; it is no copy of them. ``connectionData`` is described in
none of them, but used by all of Microsoft's own clients. A request or an answer that is not of these shapes is wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "7.0"
_REPOSITORY = "/{project}/_apis/git/repositories/{repository}"
_PULL = f"{_REPOSITORY}/pullRequests/{{number}}"


@dataclass(frozen=True)
class Route:
    """One operation: which parameters its query may have, what it takes, what it answers ("" for nothing)."""

    query: frozenset[str] = frozenset()
    takes: str = ""
    answers: str = ""
    version: str = API_VERSION
    media: tuple[str, ...] = field(default=("json",))


def _route(query: str = "", takes: str = "", answers: str = "", version: str = API_VERSION) -> Route:
    return Route(frozenset(query.split()), takes, answers, version)


ROUTES: dict[str, Route] = {
    "GET /_apis/connectionData": _route(answers="ConnectionData", version="7.0-preview"),
    "GET /_apis/projects/{project}": _route("includeCapabilities includeHistory", answers="TeamProject"),
    "GET /_apis/projects/{project}/teams/{team}/members": _route("$top $skip", answers="[TeamMember]"),
    "POST /_apis/security/permissionevaluationbatch": _route(
        takes="PermissionEvaluationBatch", answers="PermissionEvaluationBatch"
    ),
    f"GET {_REPOSITORY}": _route(answers="GitRepository"),
    f"GET {_REPOSITORY}/refs": _route(
        "filter includeLinks peelTags filterContains $top continuationToken", answers="[GitRef]"
    ),
    f"POST {_REPOSITORY}/refs": _route("projectId", takes="[GitRefUpdate", answers="[GitRefUpdateResult]"),
    f"GET {_REPOSITORY}/commits": _route(
        "searchCriteria.itemVersion.version searchCriteria.itemVersion.versionType searchCriteria.$top",
        answers="[GitCommitRef]",
    ),
    f"GET {_REPOSITORY}/commits/{{commit}}": _route("changeCount", answers="GitCommitRef"),
    f"GET {_REPOSITORY}/commits/{{commit}}/mergebases": _route("otherCommitId", answers="[GitCommitRef]"),
    f"POST {_REPOSITORY}/commits/{{commit}}/statuses": _route(takes="GitStatus", answers="GitStatus"),
    f"GET {_REPOSITORY}/items": _route(
        "path versionDescriptor.version versionDescriptor.versionType $format", answers="GitItem"
    ),
    f"GET {_REPOSITORY}/blobs/{{blob}}": _route("$format download fileName resolveLfs", answers="GitBlobRef"),
    f"GET {_REPOSITORY}/pullrequests": _route(
        "searchCriteria.status searchCriteria.sourceRefName searchCriteria.targetRefName $top $skip",
        answers="[GitPullRequest]",
    ),
    f"POST {_REPOSITORY}/pullrequests": _route("supportsIterations", takes="GitPullRequest", answers="GitPullRequest"),
    f"GET {_REPOSITORY}/pullrequests/{{number}}": _route("includeCommits", answers="GitPullRequest"),
    f"PATCH {_REPOSITORY}/pullrequests/{{number}}": _route(takes="GitPullRequest", answers="GitPullRequest"),
    f"POST {_PULL}/labels": _route("projectId", takes="Label", answers="Label"),
    f"DELETE {_PULL}/labels/{{label}}": _route("projectId"),
    f"GET {_PULL}/threads": _route("$iteration $baseIteration", answers="[Thread]"),
    f"POST {_PULL}/threads": _route(takes="Thread", answers="Thread"),
    f"GET {_PULL}/threads/{{thread}}/comments/{{comment}}": _route(answers="Comment"),
    f"PATCH {_PULL}/threads/{{thread}}/comments/{{comment}}": _route(takes="Comment", answers="Comment"),
    f"DELETE {_PULL}/threads/{{thread}}/comments/{{comment}}": _route(),
    f"GET {_PULL}/statuses": _route(answers="[GitStatus]"),
    f"POST {_PULL}/statuses": _route(takes="GitStatus", answers="GitStatus"),
    f"DELETE {_PULL}/statuses/{{status}}": _route(),
}

SHAPES: dict[str, dict[str, str]] = {
    "ConnectionData": {"authenticatedUser": "Identity", "instanceId": "text"},
    "Identity": {"id": "text", "displayName": "text", "uniqueName": "text", "descriptor": "text"},
    "Project": {"id": "text", "name": "text", "visibility": "private|public", "state": "text"},
    "TeamProject": {"id": "text", "name": "text", "visibility": "private|public", "defaultTeam": "Team"},
    "Team": {"id": "text", "name": "text"},
    "TeamMember": {"identity": "Identity", "isTeamAdmin": "flag"},
    "PermissionEvaluationBatch": {"evaluations": "[PermissionEvaluation", "alwaysAllowAdministrators": "flag"},
    "PermissionEvaluation": {"permissions": "number", "securityNamespaceId": "text", "token": "text", "value": "flag"},
    "GitRepository": {
        "id": "text", "name": "text", "project": "Project", "defaultBranch": "text", "remoteUrl": "text",
        "webUrl": "text", "isDisabled": "flag", "isFork": "flag", "size": "number", "url": "text",
    },
    "GitRef": {"name": "text", "objectId": "text", "peeledObjectId": "text", "creator": "Identity", "url": "text"},
    "GitRefUpdate": {"name": "text", "oldObjectId": "text", "newObjectId": "text"},
    "GitRefUpdateResult": {
        "name": "text", "oldObjectId": "text", "newObjectId": "text", "success": "flag",
        "updateStatus": "succeeded|staleOldObjectId|unresolvableToCommit|writePermissionRequired"
        "|createBranchPermissionRequired|invalidRefName",
    },
    "GitCommitRef": {"commitId": "text", "treeId": "text", "comment": "text", "url": "text"},
    "GitItem": {
        "path": "text", "objectId": "text", "commitId": "text", "gitObjectType": "commit|tree|blob|tag",
        "isFolder": "flag", "isSymLink": "flag", "url": "text",
    },
    "GitBlobRef": {"objectId": "text", "size": "number", "url": "text"},
    "GitPullRequest": {
        "pullRequestId": "number", "status": "notSet|active|abandoned|completed|all", "title": "text",
        "description": "text", "sourceRefName": "text", "targetRefName": "text", "isDraft": "flag",
        "createdBy": "Identity", "repository": "GitRepository", "labels": "[Label", "forkSource": "Fork",
        "lastMergeSourceCommit": "GitCommitRef", "lastMergeTargetCommit": "GitCommitRef", "url": "text",
    },
    "Fork": {"name": "text", "repository": "GitRepository"},
    "Label": {"id": "text", "name": "text", "active": "flag", "url": "text"},
    "Thread": {
        "id": "number", "comments": "[Comment", "isDeleted": "flag",
        "status": "unknown|active|fixed|wontFix|closed|byDesign|pending",
    },
    "Comment": {
        "id": "number", "parentCommentId": "number", "content": "text", "author": "Identity", "isDeleted": "flag",
        "commentType": "unknown|text|codeChange|system", "publishedDate": "text", "lastContentUpdatedDate": "text",
    },
    "GitStatus": {
        "id": "number", "state": "notSet|pending|succeeded|failed|error|notApplicable", "description": "text",
        "targetUrl": "text", "context": "Context", "createdBy": "Identity",
    },
    "Context": {"name": "text", "genre": "text"},
}  # fmt: skip
_PLAIN: dict[str, type] = {"text": str, "number": int, "flag": bool}


def find(verb: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the route of a request, and the values in its path."""
    for name in ROUTES:
        method, template = name.split(" ")
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        match = re.fullmatch(pattern, path)
        if method == verb and match:
            return name, match.groupdict()
    raise AssertionError(f"Azure DevOps describes no {verb} {path}")


def wrong_request(name: str, query: Mapping[str, str], body: Any) -> list[str]:
    """Return what is wrong with a request."""
    route, asked = ROUTES[name], dict(query)
    wrong = [] if asked.pop("api-version", "") == route.version else [f"{name}: no api-version {route.version}"]
    wrong += [f"{name}: unknown parameter {each}" for each in asked if each not in route.query]
    if bool(route.takes) != (body is not None):
        wrong.append(f"{name}: takes {route.takes or 'no body'}")
    return wrong + (_unlike(route.takes, body, f"{name}: request") if route.takes and body is not None else [])


def wrong_answer(name: str, body: Any) -> list[str]:
    """Return what is wrong with an answer; lists are wrapped with their length."""
    shape = ROUTES[name].answers
    if not shape:
        return [] if body is None else [f"{name}: answers nothing"]
    if shape.startswith("["):
        if set(body) != {"count", "value"} or body["count"] != len(body["value"]):
            return [f"{name}: a list is wrapped"]
        return _unlike(shape, body["value"], f"{name}: answer")
    return _unlike(shape, body, f"{name}: answer")


def _unlike(shape: str, value: Any, where: str) -> list[str]:
    if shape.startswith("["):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [
            line for index, each in enumerate(value) for line in _unlike(shape.strip("[]"), each, f"{where}/{index}")
        ]
    if shape in _PLAIN:
        fits = isinstance(value, _PLAIN[shape]) and not (shape == "number" and isinstance(value, bool))
        return [] if fits else [f"{where} is no {shape}: {value!r}"]
    if "|" in shape:
        return [] if value in shape.split("|") else [f"{where} is none of {shape}: {value!r}"]
    if not isinstance(value, dict):
        return [f"{where} is no {shape}: {value!r}"]
    known = SHAPES[shape]
    wrong = [f"{where}/{name} is not described" for name in value if name not in known]
    return wrong + [
        line for name, each in value.items() if name in known for line in _unlike(known[name], each, f"{where}/{name}")
    ]
