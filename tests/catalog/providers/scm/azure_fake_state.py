"""What the fake of Azure DevOps remembers, and its routes."""

from typing import Any
from urllib.parse import unquote

from tests.catalog.providers.scm.azure_description import ROUTES
from tests.catalog.providers.scm.github_fake_git import GitSide
from tests.catalog.providers.scm.github_fake_state import Refusal

HEADS = "refs/heads/"
NOBODY = "0" * 40
PROJECT_ID = "11111111-1111-1111-1111-111111111111"
REPOSITORY_ID = "22222222-2222-2222-2222-222222222222"
PEOPLE = {
    "slipway": "aadsp.slipway",
    "maria": "aad.maria",
    "olga": "aad.olga",
    "mallory": "aad.mallory",
    "Build\\7": "svc.build",
}
WRITTEN = "2026-01-01T10:00:00.1234567Z"


class AzureState:
    """Pull requests, threads and statuses of one repository ``acme/hello/_git/hello``."""

    def __init__(self, url: str, git: GitSide) -> None:
        self.url = url
        self.git = git
        self.login = "slipway"
        self.project_name, self.visibility = "Hello", "private"
        self.members = {"maria": False, "olga": True}
        self.refused_bits: set[int] = set()
        self.pulls: dict[int, dict[str, Any]] = {}
        self.threads: dict[int, list[dict[str, Any]]] = {}
        self.pull_statuses: dict[int, list[dict[str, Any]]] = {}
        self.statuses: dict[str, dict[str, str]] = {}
        self.before_page: list[Any] = []
        self._next = 100
        self._handlers = dict(zip(ROUTES, self._functions(), strict=True))

    def route(self, name: str, path: dict[str, str], query: dict[str, str], body: Any) -> Any:
        """Answer a request; ``name`` is its route."""
        if path.get("project", "hello").lower() != "hello" or path.get("repository", "hello").lower() != "hello":
            raise Refusal(404, "TF401019: The Git repository does not exist or you do not have permissions.")
        return self._handlers[name](path, query, body)

    def comment(self, number: int, login: str, content: str) -> tuple[int, int]:
        """Let somebody comment on a pull request, in a thread of its own; return both ids."""
        comment: dict[str, Any] = {
            "id": 1,
            "parentCommentId": 0,
            "content": content,
            "author": self.identity(login),
            "commentType": "text",
            "publishedDate": WRITTEN,
            "lastContentUpdatedDate": WRITTEN,
        }
        identity = self._number()
        thread = {"id": identity, "comments": [comment], "status": "active", "isDeleted": False}
        self.threads.setdefault(number, []).append(thread)
        return identity, 1

    def identity(self, login: str) -> dict[str, str]:
        """Return what is shown of somebody."""
        name = login if "\\" in login else f"{login}@acme.example"
        return {"id": f"id-{login}", "displayName": login.title(), "uniqueName": name, "descriptor": PEOPLE[login]}

    def repository(self) -> dict[str, Any]:
        """Return what is shown of the repository."""
        project = {"id": PROJECT_ID, "name": self.project_name, "visibility": self.visibility, "state": "wellFormed"}
        address = f"{self.url}/acme/{self.project_name}/_git/Hello"
        return {
            "id": REPOSITORY_ID,
            "name": "Hello",
            "project": project,
            "defaultBranch": "refs/heads/main",
            "remoteUrl": address.replace("://", "://acme@"),
            "webUrl": address,
            "isDisabled": False,
        }

    def pull(self, number: int, *, listed: bool = False) -> dict[str, Any]:
        """Return a pull request; a list cuts its description after 400 characters."""
        kept = self.pulls.get(number)
        if kept is None:
            raise Refusal(404, f"TF401180: The requested pull request was not found: {number}.")
        head = self.git.find(kept["sourceRefName"]) or kept["head"]
        kept["head"] = head
        shown = {name: value for name, value in kept.items() if name not in {"head", "author", "fork"}}
        shown["description"] = kept["description"][: 400 if listed else None]
        shown["labels"] = [{"id": name, "name": name, "active": True} for name in kept["labels"]]
        shown |= {"pullRequestId": number, "createdBy": self.identity(kept["author"]), "repository": self.repository()}
        shown |= {"lastMergeSourceCommit": {"commitId": head}}
        fork = {"name": kept["sourceRefName"], "repository": self.repository()}
        return shown | ({"forkSource": fork} if kept.get("fork") else {})

    def _functions(self) -> list[Any]:
        """Return what answers each route, in the order of the description."""
        return [
            lambda *_: {"authenticatedUser": self.identity(self.login)},
            lambda *_: {"id": PROJECT_ID, "name": self.project_name, "visibility": self.visibility,
                        "defaultTeam": {"id": "team", "name": "Hello Team"}},
            lambda *_: _list([{"identity": self.identity(who), "isTeamAdmin": is_admin}
                              for who, is_admin in self.members.items()]),
            self._permissions,
            lambda *_: self.repository(),
            self._refs,
            self._move_refs,
            self._commits,
            lambda path, *_: {"commitId": self._commit(path["commit"])},
            self._merge_base,
            self._commit_status,
            self._item,
            lambda path, *_: {"objectId": path["blob"], "size": len(self.git.read(path["blob"]))},
            self._list_pulls,
            self._open,
            lambda path, *_: self.pull(int(path["number"])),
            self._change,
            self._label,
            self._unlabel,
            self._list_threads,
            self._new_thread,
            lambda path, *_: self._comment_at(path),
            self._edit,
            self._delete_comment,
            self._list_statuses,
            self._new_status,
            self._delete_status,
        ]  # fmt: skip

    def _permissions(self, _path: Any, _query: Any, body: Any) -> Any:
        token = f"repoV2/{PROJECT_ID}/{REPOSITORY_ID}"
        assert all(each["token"] == token for each in body["evaluations"])
        told = [each | {"value": each["permissions"] not in self.refused_bits} for each in body["evaluations"]]
        return body | {"evaluations": told}

    def _refs(self, _path: Any, query: dict[str, str], _body: Any) -> Any:
        listed = self.git.run("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)")
        found = []
        for line in listed.splitlines():
            name, sha, *peeled = line.split()
            if name.startswith(f"refs/{query['filter']}"):
                found.append({"name": name, "objectId": sha} | ({"peeledObjectId": peeled[0]} if peeled else {}))
        return _list(found)

    def _move_refs(self, _path: Any, _query: Any, body: Any) -> Any:
        told = []
        for each in body:
            found = self.git.find(each["name"]) or NOBODY
            status = "succeeded"
            if found != each["oldObjectId"]:
                status = "staleOldObjectId"
            elif each["newObjectId"] != NOBODY and self.git.find(f"{each['newObjectId']}^{{commit}}") is None:
                status = "unresolvableToCommit"
            elif each["newObjectId"] == NOBODY:
                self.git.run("update-ref", "-d", each["name"])
            else:
                self.git.run("update-ref", each["name"], each["newObjectId"])
            told.append({**each, "success": status == "succeeded", "updateStatus": status})
        return _list(told)

    def _commits(self, _path: Any, query: dict[str, str], _body: Any) -> Any:
        return _list([{"commitId": self._commit(query["searchCriteria.itemVersion.version"])}])

    def _commit(self, revision: str) -> str:
        found = self.git.find(f"{revision}^{{commit}}")
        if found is None:
            raise Refusal(404, f"TF401175: The version descriptor <Commit: {revision}> could not be resolved.")
        return found

    def _merge_base(self, path: dict[str, str], query: dict[str, str], _body: Any) -> Any:
        return _list([{"commitId": self.git.run("merge-base", path["commit"], query["otherCommitId"])}])

    def _commit_status(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        context = body["context"]
        self.statuses.setdefault(path["commit"], {})[f"{context['genre']}/{context['name']}"] = body["state"]
        return {**body, "id": self._number()}

    def _item(self, _path: Any, query: dict[str, str], _body: Any) -> Any:
        commit, asked = query["versionDescriptor.version"], query["path"].strip("/")
        for each in self.git.tree(commit, recursive=True):
            if each["path"] == asked:
                told = {"path": f"/{asked}", "objectId": each["sha"], "gitObjectType": each["type"], "commitId": commit}
                return told | {"isFolder": each["type"] == "tree", "isSymLink": each["mode"] == "120000"}
        raise Refusal(404, f"TF401174: The item '{asked}' could not be found in the repository.")

    def _list_pulls(self, _path: Any, query: dict[str, str], _body: Any) -> Any:
        if self.before_page:
            self.before_page.pop(0)()
        found = [self.pull(number, listed=True) for number in sorted(self.pulls, reverse=True)]
        status = query.get("searchCriteria.status", "active")
        found = [each for each in found if status in {"all", each["status"]}]
        for name in ("sourceRefName", "targetRefName"):
            wanted = query.get(f"searchCriteria.{name}")
            found = [each for each in found if wanted in {None, each[name]}]
        first = int(query.get("$skip", 0))
        return _list(found[first : first + int(query.get("$top", 101))])

    def _open(self, _path: Any, _query: Any, body: Any) -> Any:
        for name in ("sourceRefName", "targetRefName"):
            if self.git.find(body[name]) is None:
                raise Refusal(400, f"TF401398: The pull request cannot be activated because {body[name]} is gone.")
        assert len(body["title"]) <= 400
        assert len(body["description"]) <= 4000
        number = len(self.pulls) + 1
        self.pulls[number] = {**body, "status": "active", "labels": [], "author": self.login, "head": ""}
        return self.pull(number)

    def _change(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        number = int(path["number"])
        before = self.pull(number)["status"]
        if "status" in body and before == "completed":
            raise Refusal(400, "TF401181: The pull request cannot be edited due to its state.")
        self.pulls[number].update(body)
        return self.pull(number)

    def _label(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        labels = self.pulls[int(path["number"])]["labels"]
        labels += [body["name"]] if body["name"] not in labels else []
        return {"id": body["name"], "name": body["name"], "active": True}

    def _unlabel(self, path: dict[str, str], _query: Any, _body: Any) -> None:
        labels = self.pulls[int(path["number"])]["labels"]
        if unquote(path["label"]) not in labels:
            raise Refusal(404, "TF20024: The tag does not exist.")
        labels.remove(unquote(path["label"]))

    def _list_threads(self, path: dict[str, str], *_: Any) -> Any:
        self.pull(int(path["number"]))
        return _list(self.threads.get(int(path["number"]), []))

    def _new_thread(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        thread, _ = self.comment(int(path["number"]), self.login, body["comments"][0]["content"])
        made = self._thread(path, thread)
        made["status"] = body["status"]
        return made

    def _edit(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        found = self._comment_at(path)
        found.update(body)
        return found

    def _delete_comment(self, path: dict[str, str], *_: Any) -> None:
        found = self._comment_at(path)
        found |= {"isDeleted": True}
        del found["content"]
        thread = self._thread(path, int(path["thread"]))
        thread["isDeleted"] = all(each.get("isDeleted") for each in thread["comments"])

    def _comment_at(self, path: dict[str, str]) -> dict[str, Any]:
        thread = self._thread(path, int(path["thread"]))
        comments: list[dict[str, Any]] = thread["comments"]
        found = next((each for each in comments if each["id"] == int(path["comment"])), None)
        if found is None:
            raise Refusal(404, "TF401187: The comment was not found.")
        return found

    def _thread(self, path: dict[str, str], thread: int) -> dict[str, Any]:
        found = next((each for each in self.threads.get(int(path["number"]), []) if each["id"] == thread), None)
        if found is None:
            raise Refusal(404, "TF401186: The thread was not found.")
        return found

    def _list_statuses(self, path: dict[str, str], *_: Any) -> Any:
        self.pull(int(path["number"]))
        return _list(self.pull_statuses.get(int(path["number"]), []))

    def _new_status(self, path: dict[str, str], _query: Any, body: Any) -> Any:
        made = {**body, "id": self._number(), "createdBy": self.identity(self.login)}
        self.pull_statuses.setdefault(int(path["number"]), []).append(made)
        return made

    def _delete_status(self, path: dict[str, str], *_: Any) -> None:
        kept = self.pull_statuses.get(int(path["number"]), [])
        if not any(each["id"] == int(path["status"]) for each in kept):
            raise Refusal(404, "TF401320: The status was not found.")
        self.pull_statuses[int(path["number"])] = [each for each in kept if each["id"] != int(path["status"])]

    def _number(self) -> int:
        self._next += 1
        return self._next


def _list(items: list[Any]) -> dict[str, Any]:
    return {"count": len(items), "value": items}
