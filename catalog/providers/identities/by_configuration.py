"""Any other issuer: the setting says which claims hold the ids."""

from collections.abc import Mapping

from catalog.providers.identities import Claims, Workload, optional, required


class ByConfiguration:
    """Tokens of an issuer that has no module of its own."""

    name = "by-configuration"
    label = "Other issuer"
    owner_label = "Owner id, as the issuer's tokens name it"
    repository_label = "Repository id, as the issuer's tokens name it"
    workflow_label = "Workflow, as the issuer's tokens name it"

    def workload(self, claims: Claims, names: Mapping[str, str]) -> Workload:
        """Return the job by the claims that ``names`` maps, ``sub`` standing for what it leaves out."""
        repository = required(claims, names.get("repository_claim", "sub"))
        return Workload(
            owner_id=required(claims, names.get("owner_claim", "sub")),
            repository_id=repository,
            repository=repository,
            workflow=optional(claims, names.get("workflow_claim", "")),
            environment=optional(claims, names.get("environment_claim", "")),
            reference=optional(claims, names.get("reference_claim", "")),
            commit=optional(claims, names.get("commit_claim", "")),
            run=optional(claims, names.get("run_claim", "")),
        )


PROVIDER = ByConfiguration()
