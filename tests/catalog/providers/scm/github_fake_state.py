"""What the fake of GitHub remembers, and its routes: the description's examples with the fields that matter put in."""

import base64
from datetime import timedelta
from typing import Any

from catalog.clock import now
from tests.catalog.providers.scm import openapi
from tests.catalog.providers.scm.github_fake_git import GitSide

R = "/repos/{owner}/{repo}"
ASSOCIATIONS = {"slipway": "MEMBER", "slipway-app[bot]": "NONE", "mallory": "NONE", "maria": "COLLABORATOR"}


class Refusal(Exception):  # noqa: N818
    """GitHub says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class State:
    """Pull requests, comments, deployments and the rest, each in its own dictionary."""

    def __init__(self, url: str, git: GitSide) -> None:
        self.url = url
        self.git = git
        self.login, self.is_app = "slipway", False
        self.largest_page = 100
        self.installation_tokens: set[str] = set()
        self.permissions = {"contents": "write", "pull_requests": "write", "deployments": "write", "checks": "write"}
        self.permissions |= {"administration": "write", "metadata": "read", "workflows": "write"}
        self.user_permissions = {"admin": True, "maintain": True, "push": True, "triage": True, "pull": True}
        self.rights = {"slipway": "admin", "maria": "write"}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.deployments: dict[int, dict[str, Any]] = {}
        self.deployment_statuses: dict[int, list[dict[str, Any]]] = {}
        self.environments: set[str] = set()
        self.statuses: dict[str, dict[str, str]] = {}
        self.checks: dict[int, dict[str, Any]] = {}
        self.full_name = "acme/hello"
        self._next = 100

    def route(self, name: str, path: dict[str, str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Answer a request; ``name`` is its operation."""
        if path.get("owner", "acme") + "/" + path.get("repo", "hello") != "acme/hello":
            raise Refusal(404, "Not Found")
        verb, template = name.split(" ")
        handler = getattr(self, "_" + verb.lower() + _function(template))
        answered: tuple[int, Any] = handler(path, query, body)
        return answered

    def user(self, login: str) -> dict[str, Any]:
        """Return what is shown of somebody."""
        user: dict[str, Any] = openapi.operation("GET", f"{R}/issues/{{issue_number}}/comments").example(200)[0]["user"]
        return user | {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}

    def comment(self, number: int, login: str, body: str) -> int:
        """Let somebody comment on a pull request."""
        self._next += 1
        data = openapi.operation("GET", f"{R}/issues/{{issue_number}}/comments").example(200)[0]
        data |= {"id": self._next, "body": body, "user": self.user(login), "author_association": ASSOCIATIONS[login]}
        self.comments[self._next] = data | {"issue_url": f"{self.url}/repos/acme/hello/issues/{number}"}
        return self._next

    def _get_collaborators__permission(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        data = openapi.operation("GET", f"{R}/collaborators/{{username}}/permission").example(200)
        may = self.rights.get(path["username"], "read")
        user = data["user"] | {"login": path["username"], "role_name": may}
        return 200, data | {"permission": may, "role_name": may, "user": user}

    def _get_(self, *_: Any) -> tuple[int, Any]:
        data = openapi.operation("GET", R).example(200)
        del data["source"]  # the description's own example of it lacks a field
        return 200, data | {
            "full_name": self.full_name,
            "default_branch": "main",
            "html_url": "https://github.com/acme/hello",
            "archived": False,
            "language": "Python",
            "permissions": self.user_permissions,
        }

    def _get_user(self, *_: Any) -> tuple[int, Any]:
        return 200, openapi.operation("GET", "/user").example(200) | {"login": self.login, "user_view_type": "private"}

    def _get_app(self, *_: Any) -> tuple[int, Any]:
        return 200, openapi.operation("GET", "/app").example(200) | {"slug": "slipway-app", "id": 7}

    def _get_app_installations_(self, *_: Any) -> tuple[int, Any]:
        data = openapi.operation("GET", "/app/installations/{installation_id}").example(200)
        return 200, data | {"permissions": self.permissions}

    def _post_app_installations__access_tokens(self, *_: Any) -> tuple[int, Any]:
        token = f"ghs_{len(self.installation_tokens)}"
        self.installation_tokens.add(token)
        data = openapi.operation("POST", "/app/installations/{installation_id}/access_tokens").example(201)
        later = (now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, data | {"token": token, "expires_at": later}

    def _get_git_ref_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        ref = f"refs/{path['ref']}"
        sha = self.git.find(ref)
        if sha is None:
            raise Refusal(404, "Not Found")
        return 200, self._reference(ref, sha)

    def _post_git_refs(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if self.git.find(body["ref"]) is not None:
            raise Refusal(422, "Reference already exists")
        if self.git.find(f"{body['sha']}^{{commit}}") is None:
            raise Refusal(422, "Object does not exist")
        self.git.run("update-ref", body["ref"], body["sha"])
        return 201, self._reference(body["ref"], body["sha"])

    def _patch_git_refs_(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        ref = f"refs/{path['ref']}"
        before = self.git.find(ref)
        if before is None:
            raise Refusal(422, "Reference does not exist")
        if not body["force"] and self.git.run("merge-base", before, body["sha"]) != before:
            raise Refusal(422, "Update is not a fast forward")
        self.git.run("update-ref", ref, body["sha"])
        return 200, self._reference(ref, body["sha"])

    def _delete_git_refs_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        self.git.run("update-ref", "-d", f"refs/{path['ref']}")
        return 204, None

    def _get_git_commits_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        if self.git.find(f"{path['commit_sha']}^{{commit}}") is None:
            raise Refusal(404, "Not Found")
        return 200, self._commit(path["commit_sha"])

    def _post_git_commits(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        above = [part for each in body["parents"] for part in ("-p", each)]
        return 201, self._commit(self.git.run("commit-tree", body["tree"], *above, sent=body["message"].encode()))

    def _get_git_trees_(self, path: dict[str, str], query: dict[str, str], _body: Any) -> tuple[int, Any]:
        entries = self.git.tree(path["tree_sha"], recursive="recursive" in query)
        return 200, {"sha": path["tree_sha"], "url": "https://x.example", "truncated": False, "tree": entries}

    def _post_git_trees(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        sha = self.git.make_tree(body["base_tree"], body["tree"])
        return 201, {
            "sha": sha,
            "url": "https://x.example",
            "truncated": False,
            "tree": self.git.tree(sha, recursive=False),
        }

    def _get_git_blobs_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        content = self.git.read(path["file_sha"])
        data = openapi.operation("GET", f"{R}/git/blobs/{{file_sha}}").example(200)
        return 200, data | {"content": base64.b64encode(content).decode(), "encoding": "base64", "size": len(content)}

    def _post_git_blobs(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        return 201, {"url": "https://x.example", "sha": self.git.blob(body["content"])}

    def _get_compare_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        one, other = path["base"], path["head"]
        data = openapi.operation("GET", f"{R}/compare/{{basehead}}").example(200)
        data["merge_base_commit"]["sha"] = self.git.run("merge-base", one, other)
        return 200, data

    def _get_pulls(self, _path: Any, query: dict[str, str], _body: Any) -> tuple[int, Any]:
        found = [self._pull(number, listed=True) for number in sorted(self.pulls)]
        if query.get("state", "open") == "open":
            found = [each for each in found if each["state"] == "open"]
        if "head" in query:
            found = [each for each in found if each["head"]["label"] == query["head"]]
        return 200, [each for each in found if query.get("base") in (None, each["base"]["ref"])]

    def _post_pulls(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        for name in ("head", "base"):
            if self.git.find(f"refs/heads/{body[name]}") is None:
                raise Refusal(422, f"Validation Failed: {name} invalid")
        self._next += 1
        number = len(self.pulls) + 1
        self.pulls[number] = {**body, "state": "open", "labels": [], "user": self.login}
        return 201, self._pull(number)

    def _get_pulls_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        return 200, self._pull(int(path["pull_number"]))

    def _patch_pulls_(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        self._pull(int(path["pull_number"]))
        self.pulls[int(path["pull_number"])].update(body)
        return 200, self._pull(int(path["pull_number"]))

    def _post_issues__labels(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        labels = self.pulls[int(path["issue_number"])]["labels"]
        labels += [name for name in body["labels"] if name not in labels]
        example = openapi.operation("POST", f"{R}/issues/{{issue_number}}/labels").example(200)[0]
        return 200, [example | {"name": name} for name in labels]

    def _delete_issues__labels_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        labels = self.pulls[int(path["issue_number"])]["labels"]
        if path["name"] not in labels:
            raise Refusal(404, "Label does not exist")
        labels.remove(path["name"])
        example = openapi.operation("POST", f"{R}/issues/{{issue_number}}/labels").example(200)[0]
        return 200, [example | {"name": name} for name in labels]

    def _get_issues__comments(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        number = int(path["issue_number"])
        self._pull(number)
        return 200, [each for each in self.comments.values() if each["issue_url"].endswith(f"/{number}")]

    def _post_issues__comments(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        return 201, self.comments[self.comment(int(path["issue_number"]), self.login, body["body"])]

    def _get_issues_comments_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        if int(path["comment_id"]) not in self.comments:
            raise Refusal(404, "Not Found")
        return 200, self.comments[int(path["comment_id"])]

    def _patch_issues_comments_(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        self.comments[int(path["comment_id"])].update(body)
        return 200, self.comments[int(path["comment_id"])]

    def _delete_issues_comments_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        del self.comments[int(path["comment_id"])]
        return 204, None

    def _get_deployments(self, _path: Any, query: dict[str, str], _body: Any) -> tuple[int, Any]:
        return 200, [each for each in self.deployments.values() if each["environment"] == query["environment"]]

    def _post_deployments(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        self._next += 1
        data = openapi.operation("POST", f"{R}/deployments").example(201)
        data |= {"id": self._next, "sha": body["ref"], "ref": body["ref"], "environment": body["environment"]}
        self.deployments[self._next] = data | {"task": body["task"]}
        self.deployment_statuses[self._next] = []
        self.environments.add(body["environment"])
        return 201, self.deployments[self._next]

    def _delete_deployments_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        number = int(path["deployment_id"])
        statuses = self.deployment_statuses[number]
        if statuses and statuses[0]["state"] != "inactive":
            raise Refusal(422, "We cannot delete an active deployment unless it is the only deployment")
        del self.deployments[number]
        return 204, None

    def _get_deployments__statuses(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        return 200, self.deployment_statuses[int(path["deployment_id"])]

    def _post_deployments__statuses(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        data = openapi.operation("POST", f"{R}/deployments/{{deployment_id}}/statuses").example(201)
        shown = {name: value for name, value in body.items() if name != "auto_inactive"}
        self.deployment_statuses[int(path["deployment_id"])].insert(0, data | shown)
        return 201, data | shown

    def _get_environments_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        if path["environment_name"] not in self.environments:
            raise Refusal(404, "Not Found")
        data = openapi.operation("GET", f"{R}/environments/{{environment_name}}").example(200)
        return 200, data | {"name": path["environment_name"]}

    def _delete_environments_(self, path: dict[str, str], *_: Any) -> tuple[int, Any]:
        if not self.user_permissions["admin"]:
            raise Refusal(404, "Not Found")
        self.environments.remove(path["environment_name"])
        return 204, None

    def _post_statuses_(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        self.statuses.setdefault(path["sha"], {})[body["context"]] = body["state"]
        data = openapi.operation("POST", f"{R}/statuses/{{sha}}").example(201)
        return 201, data | {"state": body["state"], "context": body["context"]}

    def _get_commits__check_runs(self, path: dict[str, str], query: dict[str, str], _body: Any) -> tuple[int, Any]:
        runs = [each for each in self.checks.values() if each["head_sha"] == path["ref"]]
        runs = [each for each in runs if each["name"] == query["check_name"]]
        return 200, {"total_count": len(runs), "check_runs": runs}

    def _post_check_runs(self, _path: Any, _query: Any, body: Any) -> tuple[int, Any]:
        if not self.is_app:
            raise Refusal(403, "You must authenticate via a GitHub App.")
        self._next += 1
        data = openapi.operation("GET", f"{R}/check-runs/{{check_run_id}}").example(200)
        self.checks[self._next] = data | {"id": self._next, "head_sha": body["head_sha"], "name": body["name"]}
        return 201, self._checked(self._next, body)

    def _patch_check_runs_(self, path: dict[str, str], _query: Any, body: Any) -> tuple[int, Any]:
        return 200, self._checked(int(path["check_run_id"]), body)

    def _checked(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        self.checks[number] |= {"status": body["status"], "conclusion": body.get("conclusion")}
        return self.checks[number]

    def _reference(self, ref: str, sha: str) -> dict[str, Any]:
        kind = self.git.run("cat-file", "-t", sha)
        data = {"type": kind, "sha": sha, "url": "https://x.example"}
        return {"ref": ref, "node_id": "x", "url": "https://x.example", "object": data}

    def _commit(self, sha: str) -> dict[str, Any]:
        data: dict[str, Any] = openapi.operation("GET", f"{R}/git/commits/{{commit_sha}}").example(200)
        data["tree"]["sha"] = self.git.run("rev-parse", f"{sha}^{{tree}}")
        return data | {"sha": sha}

    def merge(self, number: int, *, squash: bool = False) -> None:
        """Merge a pull request as its button does: by a commit of two parents or, squashed, of one; branch removed."""
        kept = self.pulls[number]
        head, base = (self.git.run("rev-parse", f"refs/heads/{kept[side]}") for side in ("head", "base"))
        tree = self.git.run("merge-tree", "--write-tree", base, head).split("\n")[0]
        above = ["-p", base] if squash else ["-p", base, "-p", head]
        made = self.git.run("commit-tree", tree, *above, sent=b"Merge")
        self.git.run("update-ref", f"refs/heads/{kept['base']}", made)
        self.git.run("update-ref", "-d", f"refs/heads/{kept['head']}")
        kept |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z", "last_sha": head}

    def _pull(self, number: int, *, listed: bool = False) -> dict[str, Any]:
        kept = self.pulls.get(number)
        if kept is None:
            raise Refusal(404, "Not Found")
        one = openapi.operation("GET", f"{R}/pulls/{{pull_number}}")
        data: dict[str, Any] = openapi.operation("GET", f"{R}/pulls").example(200)[0] if listed else one.example(200)
        for side in ("head", "base"):
            data[side]["ref"] = kept[side]
            data[side]["label"] = f"acme:{kept[side]}"
            data[side]["sha"] = self.git.find(f"refs/heads/{kept[side]}") or kept.get("last_sha") or "0" * 40
            data[side]["repo"]["full_name"] = kept.get("fork", "acme/hello") if side == "head" else "acme/hello"
        label = data["labels"][0]
        data |= {"number": number, "title": kept["title"], "body": kept["body"], "state": kept["state"]}
        data |= {"draft": kept["draft"], "merged_at": kept.get("merged_at"), "user": self.user(kept["user"])}
        if not listed:
            data["merged"] = data["merged_at"] is not None
        return data | {
            "requested_teams": [],
            "labels": [label | {"name": name} for name in kept["labels"]],
            "author_association": ASSOCIATIONS[kept["user"]],
        }


def _function(template: str) -> str:
    parts = template.removeprefix(R).strip("/").replace("-", "_").split("/")
    return "_" + "_".join("" if part.startswith("{") else part for part in parts)
