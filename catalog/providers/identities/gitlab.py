"""GitLab, also one of a company's own: the claims of its page "OIDC authentication using ID tokens"."""

from collections.abc import Mapping

from catalog.providers.identities import Claims, Workload, optional, required


class GitLab:
    """ID tokens of GitLab CI/CD jobs."""

    name = "gitlab"
    label = "GitLab CI/CD"
    owner_label = "Namespace id (a number, on the page of the group)"
    repository_label = "Project id (a number, on the page of the project)"
    workflow_label = "CI definition, such as .gitlab-ci.yml"

    def workload(self, claims: Claims, names: Mapping[str, str]) -> Workload:
        """Return the job; ``ci_config_ref_uri`` names the file that defines it, also in another project."""
        del names
        repository = required(claims, "project_path")
        definition = optional(claims, "ci_config_ref_uri").partition("@")[0]
        own = f"/{repository}//"
        return Workload(
            owner_id=required(claims, "namespace_id"),
            repository_id=required(claims, "project_id"),
            repository=repository,
            workflow=definition.partition(own)[2] if own in definition else definition,
            environment=optional(claims, "environment"),
            reference=optional(claims, "ref_path"),
            commit=optional(claims, "sha"),
            run=optional(claims, "job_id"),
        )


PROVIDER = GitLab()
