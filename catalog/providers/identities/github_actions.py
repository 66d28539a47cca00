"""GitHub Actions: the claims are those of GitHub's page "OpenID Connect reference"."""

from collections.abc import Mapping

from catalog.providers.identities import Claims, Workload, optional, required


class GitHubActions:
    """Tokens of jobs on GitHub, or on a GitHub Enterprise Server under its own issuer."""

    name = "github-actions"
    label = "GitHub Actions"
    owner_label = "Owner id (a number: gh api users/OWNER --jq .id)"
    repository_label = "Repository id (a number: gh api repos/OWNER/NAME --jq .id)"
    workflow_label = (
        "Workflow file, such as release.yml, or OWNER/NAME/.github/workflows/release.yml of another repository"
    )

    def workload(self, claims: Claims, names: Mapping[str, str]) -> Workload:
        """Return the job; a reusable workflow counts as the one that runs (``job_workflow_ref``)."""
        del names
        repository = required(claims, "repository")
        return Workload(
            owner_id=required(claims, "repository_owner_id"),
            repository_id=required(claims, "repository_id"),
            repository=repository,
            workflow=_workflow(optional(claims, "job_workflow_ref") or optional(claims, "workflow_ref"), repository),
            environment=optional(claims, "environment"),
            reference=optional(claims, "ref"),
            commit=optional(claims, "sha"),
            run=optional(claims, "run_id"),
        )


def _workflow(reference: str, repository: str) -> str:
    """Return the file alone where it is of the same repository, else with its repository; without the ``@ref``."""
    path = reference.partition("@")[0]
    own = f"{repository}/.github/workflows/"
    return path.removeprefix(own) if path.lower().startswith(own.lower()) else path


PROVIDER = GitHubActions()
