"""EphemeralEnvironmentService: what may be asked of environments, and what workers report of them."""

from catalog.environments.service.comments import obey
from catalog.environments.service.plans import EnvironmentPlans
from catalog.environments.service.reports import DeployPlan, DestroyPlan, EnvironmentReports
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.rows import read
from catalog.environments.service.signs import Signs, signs_of

__all__ = [
    "DeployPlan",
    "DestroyPlan",
    "EnvironmentPlans",
    "EnvironmentReports",
    "EphemeralEnvironmentService",
    "Signs",
    "obey",
    "read",
    "signs_of",
]
