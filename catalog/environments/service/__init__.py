"""EphemeralEnvironmentService: what may be asked of environments, and what workers report of them."""

from catalog.environments.service.reports import DeployPlan, DestroyPlan, EnvironmentReports
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.rows import read

__all__ = ["DeployPlan", "DestroyPlan", "EnvironmentReports", "EphemeralEnvironmentService", "read"]
