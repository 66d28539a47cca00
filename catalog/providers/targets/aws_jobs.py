"""Jobs of Fargate: a task that is run once.

Semantics: the references of ECS (RunTask, DescribeTasks, ListTasks, StopTask) and of CloudWatch Logs (GetLogEvents).
A job is told by its ``region``, ``cluster``, ``task`` (definition) and ``family``, the ``subnets`` and
``security_groups`` that it runs in, and where its ``steps`` (containers, in their order) write: ``log_group`` and
``log_prefix``.
"""

from collections.abc import Mapping
from typing import Any

from catalog.providers.targets import TargetUnavailableError
from catalog.providers.targets.cloud_jobs import Job, Run

_KEYS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
}


_NOT_YET = "ResourceInitializationError"


class AwsJobs:
    """Asks with the keys among ``credentials``; without any, as the machine that this runs on."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._keys = {name: credentials[variable] for name, variable in _KEYS.items() if credentials.get(variable)}

    def start(self, job: Job, script: str | None = None) -> str:
        """Run one task of the definition."""
        del script
        network = {
            "subnets": list(job["subnets"]),
            "securityGroups": list(job["security_groups"]),
            "assignPublicIp": "ENABLED",
        }
        begun = self._ask(
            *(job, "ecs", "run_task"),
            cluster=job["cluster"],
            taskDefinition=job["task"],
            launchType="FARGATE",
            count=1,
            startedBy="slipway",
            propagateTags="TASK_DEFINITION",
            networkConfiguration={"awsvpcConfiguration": network},
        )
        if not begun.get("tasks"):
            reasons = "; ".join(str(each.get("reason")) for each in begun.get("failures", ()))
            raise TargetUnavailableError(f"ECS does not run {job['task']}: {reasons}")
        return str(begun["tasks"][0]["taskArn"])

    def look(self, job: Job, run: str) -> Run:
        """Return how a task goes; of one that ECS has forgotten nothing good is known."""
        found = self._ask(job, "ecs", "describe_tasks", cluster=job["cluster"], tasks=[run])["tasks"]
        if not found:
            return Run(over=True, why=f"ECS knows the task {run} no more")
        task = found[0]
        if task.get("lastStatus") != "STOPPED":
            return Run(over=False)
        ended = {str(each["name"]): each for each in task.get("containers", ())}
        well = all(ended.get(step, {}).get("exitCode") == 0 for step in job["steps"])
        why = [f"ECS says {task.get('stoppedReason') or 'nothing'}"]
        for step in job["steps"]:
            each = ended.get(step, {})
            why += [f"{step} ended with {each['exitCode']}"] if each.get("exitCode") else []
            why += [f"{step}: {each['reason']}"] if each.get("reason") else []
        # Rights that were just given reach the secrets a moment later; ECS itself tries again for services alone.
        again = _NOT_YET in str(task.get("stoppedReason")) and not any("exitCode" in each for each in ended.values())
        return Run(over=True, well=well, why="; ".join(why), again=again)

    def running(self, job: Job) -> tuple[str, ...]:
        """Return the tasks that are not over."""
        try:
            found = self._ask(
                job, "ecs", "list_tasks", cluster=job["cluster"], family=job["family"], desiredStatus="RUNNING"
            )
        except TargetUnavailableError as error:
            if _code(error) == "ClusterNotFoundException":
                return ()
            raise
        return tuple(str(each) for each in found["taskArns"])

    def stop(self, job: Job, run: str) -> None:
        """Stop a task."""
        self._ask(job, "ecs", "stop_task", cluster=job["cluster"], task=run, reason="nobody waits for it any more")

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        """Return what the containers of a task wrote, one after the other."""
        return tuple(line for step in job["steps"] for line in self._written(job, run, step, most))[-most:]

    def _written(self, job: Job, run: str, step: str, most: int) -> list[str]:
        stream = f"{job['log_prefix']}/{step}/{run.rpartition('/')[2]}"
        try:
            found = self._ask(
                *(job, "logs", "get_log_events"),
                logGroupName=job["log_group"],
                logStreamName=stream,
                limit=most,
                startFromHead=False,
            )
        except TargetUnavailableError as error:
            if _code(error) == "ResourceNotFoundException":
                return []  # it has not begun
            raise
        return [str(each["message"]) for each in found["events"]]

    def _ask(self, job: Job, service: str, operation: str, **asked: Any) -> dict[str, Any]:
        import boto3  # noqa: PLC0415  (slow to import, and only needed with AWS)
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            client: Any = boto3.client(service, region_name=job["region"], **self._keys)  # type: ignore[call-overload]
            answer: dict[str, Any] = getattr(client, operation)(**asked)
        except (BotoCoreError, ClientError) as error:
            raise TargetUnavailableError(f"AWS does not answer: {error}") from error
        return answer


def _code(error: TargetUnavailableError) -> str:
    """Return what AWS calls an error."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str((answer.get("Error") or {}).get("Code", ""))
