"""Every page's routes, in one place, because routes are a security surface."""

from portal.pages import (
    account,
    clients,
    comparison,
    environment_requests,
    environments,
    home,
    marketplace,
    operations,
    policies,
    policy_evaluations,
    policy_impact,
    policy_trials,
    publishers,
    releases,
    uploads,
)

PAGES = (
    *home.ROUTES,
    *marketplace.ROUTES,
    *comparison.ROUTES,
    *uploads.ROUTES,
    *environment_requests.ROUTES,
    *environments.ROUTES,
    *policies.ROUTES,
    *policy_evaluations.ROUTES,
    *policy_impact.ROUTES,
    *policy_trials.ROUTES,
    *releases.ROUTES,
    *operations.ROUTES,
    *publishers.ROUTES,
    *clients.ROUTES,
    *account.ROUTES,
)
