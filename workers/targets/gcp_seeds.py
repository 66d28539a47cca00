"""What databases in Google's cloud begin with: a job of Cloud Run, and a second one for a command.

A job has one container. So a command runs as a job in an image of its own, and the other one, in which the programs of
PostgreSQL are, is run before and after it.
"""

from workers.engine import ProgramResource
from workers.engine.plugin.seeding import CHECK
from workers.engine.references import escaped
from workers.targets import Description, Place
from workers.targets.cloud_seeds import SECONDS, Filling, Step, fillings, run, scripts
from workers.targets.cloud_sizes import short_name, tags
from workers.targets.gcp_servers import parts_of


def seeds(environment: Description, place: Place) -> tuple[ProgramResource, ...]:
    """Return every filling, with its jobs and what they take along."""
    filled = fillings(environment, place, "gcp")
    return (*scripts(environment, place), *(one for each in filled for one in _filled(environment, each, place)))


def _filled(environment: Description, filling: Filling, place: Place) -> tuple[ProgramResource, ...]:
    job, beside = f"job_{filling.own}", f"beside_{filling.own}"
    needs, own = parts_of(filling.server), {"id": f"${{{job}.id}}"}
    if len(filling.steps) == 1:
        return (_job(environment, filling, filling.steps[0], job, place), run(environment, filling, "gcp", own, needs))
    begin, command, _end = filling.steps
    # By itself it only looks; what it does is said each time that it is run.
    looks = Step("look", begin.image, escaped(CHECK))
    return (
        _job(environment, filling, looks, job, place),
        _job(environment, filling, command, beside, place),
        run(environment, filling, "gcp", own, needs, {"id": f"${{{beside}.id}}"}),
    )


def _job(environment: Description, filling: Filling, step: Step, key: str, place: Place) -> ProgramResource:
    settings = place.settings
    container = {
        "image": step.image,
        "commands": ["/bin/sh"],
        "args": ["-c", step.script],
        "envs": [{"name": name, "value": value} for name, value in filling.env.items()],
        "resources": {"limits": {"cpu": "1", "memory": "1024Mi"}},
    }
    task = {
        "containers": [container],
        "maxRetries": 0,
        "timeout": f"{SECONDS}s",
        "vpcAccess": {"egress": "ALL_TRAFFIC", "networkInterfaces": [{"network": settings.gcp_network}]},
    }
    about = tags(environment, filling.server)
    inputs = {
        "name": short_name(environment, key),
        "project": settings.gcp_project,
        "location": settings.gcp_region,
        "deletionProtection": False,
        "labels": about,
        "template": {"labels": about, "parallelism": 1, "taskCount": 1, "template": task},
    }
    return ProgramResource(name=key, type="gcp:cloudrunv2/job:Job", inputs=inputs, secret_inputs=("template",))
