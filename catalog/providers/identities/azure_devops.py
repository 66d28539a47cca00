"""Azure Pipelines: the claims of its "OIDC token" task request, whose ids are GUIDs and numbers of the organisation."""

from collections.abc import Mapping

from catalog.providers.identities import Claims, Workload, optional, required


class AzureDevOps:
    """Tokens of pipelines; each organisation has an issuer of its own, which the setting names."""

    name = "azure-devops"
    label = "Azure Pipelines"
    owner_label = "Project id (a GUID: az devops project show --project NAME --query id)"
    repository_label = "Repository id (a GUID: az repos show --repository NAME --query id)"
    workflow_label = "Pipeline definition id (a number: az pipelines show --name NAME --query id)"

    def workload(self, claims: Claims, names: Mapping[str, str]) -> Workload:
        """Return the job; the project owns the repository, and the definition is the workflow."""
        del names
        return Workload(
            owner_id=required(claims, "prj_id"),
            repository_id=required(claims, "rpo_id"),
            repository=optional(claims, "rpo_uri") or optional(claims, "sub"),
            workflow=optional(claims, "def_id"),
            reference=optional(claims, "rpo_ref"),
            commit=optional(claims, "rpo_ver"),
            run=optional(claims, "run_id"),
        )


PROVIDER = AzureDevOps()
