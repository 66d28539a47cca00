"""EphemeralEnvironmentService: what may be asked of environments, and what workers report of them.

Locks have one order, so that no two transactions wait for each other: what begins by itself in a repository, the pull
request (advisory), environments by their ids, the tenant's room, the stack, the operation, and then connections and
repositories of source code management.
"""

from catalog.environments.queries import Placed
from catalog.environments.queries import at as environment_at
from catalog.environments.service.automation import EnvironmentAutomation, read_automation
from catalog.environments.service.builds import EnvironmentBuilds
from catalog.environments.service.comments import obey
from catalog.environments.service.credentials import credentials_of
from catalog.environments.service.plans import EnvironmentPlans
from catalog.environments.service.prospects import Prospect, prospect, standing
from catalog.environments.service.removals import DestroyPlan
from catalog.environments.service.reports import DeployPlan, EnvironmentReports
from catalog.environments.service.requests import EphemeralEnvironmentService
from catalog.environments.service.returns import EnvironmentReturns
from catalog.environments.service.rows import address_of, read
from catalog.environments.service.showing import EnvironmentShowing
from catalog.environments.service.signs import Signs, signs_of
from catalog.environments.service.statements import EnvironmentStatements
from catalog.environments.service.sweeps import PROJECT, EnvironmentSweeps
from catalog.environments.service.targets import EnvironmentTargets
from catalog.environments.service.watching import EnvironmentWatches

__all__ = [
    "PROJECT",
    "DeployPlan",
    "DestroyPlan",
    "EnvironmentAutomation",
    "EnvironmentBuilds",
    "EnvironmentPlans",
    "EnvironmentReports",
    "EnvironmentReturns",
    "EnvironmentShowing",
    "EnvironmentStatements",
    "EnvironmentSweeps",
    "EnvironmentTargets",
    "EnvironmentWatches",
    "EphemeralEnvironmentService",
    "Placed",
    "Prospect",
    "Signs",
    "address_of",
    "credentials_of",
    "environment_at",
    "obey",
    "prospect",
    "read",
    "read_automation",
    "signs_of",
    "standing",
]
