"""Jobs of Fargate: a task that is run once.

Semantics: the references of ECS (RunTask, DescribeTasks, ListTasks, StopTask) and of CloudWatch Logs (GetLogEvents).
A job is told by its ``region``, ``cluster``, ``task`` (definition) and ``family``, the ``subnets`` and
``security_groups`` that it runs in, and where its ``steps`` (containers, in their order) write: ``log_group`` and
``log_prefix``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.providers.targets import TargetUnavailableError
from catalog.providers.targets.cloud_jobs import Job, Run

_KEYS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
_FILES = {"profile": "AWS_PROFILE", "config_file": "AWS_CONFIG_FILE", "credentials_file": "AWS_SHARED_CREDENTIALS_FILE"}


_NOT_YET = "ResourceInitializationError"


class AwsJobs:
    """Asks as whoever ``credentials`` (``AWS_...``) say: by keys, a profile, a token of the role, or a container's.

    Where they say nothing it asks as the machine that this runs on.
    """

    def __init__(self, credentials: Mapping[str, str]) -> None:
        self._credentials = credentials
        self._found: dict[str, str] | None = None

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
        """Return how a task goes; raise where ECS does not know it, which it may not do yet of one just run."""
        found = self._described(job, [run])
        if not found:
            raise TargetUnavailableError(f"ECS does not know the task {run}")
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
        """Return the tasks that are not over, those among them that have been told to stop and still write."""
        going, stopping = (self._listed(job, wanted) for wanted in ("RUNNING", "STOPPED"))
        known = self._described(job, stopping) if stopping else []
        return (*going, *(str(each["taskArn"]) for each in known if each.get("lastStatus") != "STOPPED"))

    def _listed(self, job: Job, wanted: str) -> list[str]:
        """Return the tasks that ECS was told to bring to a status."""
        try:
            found = self._ask(
                job, "ecs", "list_tasks", cluster=job["cluster"], family=job["family"], desiredStatus=wanted
            )
        except TargetUnavailableError as error:
            if _code(error) == "ClusterNotFoundException":
                return []
            raise
        return [str(each) for each in found["taskArns"]]

    def _described(self, job: Job, runs: list[str]) -> list[dict[str, Any]]:
        return list(self._ask(job, "ecs", "describe_tasks", cluster=job["cluster"], tasks=runs)["tasks"])

    def stop(self, job: Job, run: str) -> None:
        """Stop a task."""
        self._ask(job, "ecs", "stop_task", cluster=job["cluster"], task=run, reason="nobody waits for it any more")

    def lines(self, job: Job, run: str, most: int) -> tuple[str, ...]:
        """Return what the containers of a task wrote, one after the other."""
        return tuple(line for step in job["steps"] for line in self._written(job, run, step, most))[-most:]

    def has(self, server: str) -> bool:
        """Return True: RDS gives each server an id of its own."""
        del server
        return True

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
        # Slow to import, and only needed with AWS.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            if self._found is None:
                self._found = self._keys(str(job["region"]))
            client = self._client(service, str(job["region"]), **self._found)
            answer: dict[str, Any] = getattr(client, operation)(**asked)
        except (BotoCoreError, ClientError, OSError) as error:
            raise TargetUnavailableError(f"AWS does not answer: {error}") from error
        return answer

    def _client(self, service: str, region: str, **keys: Any) -> Any:
        import boto3  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415

        session = botocore.session.Session()
        for option, variable in _FILES.items():
            if variable in self._credentials:
                session.set_config_variable(option, self._credentials[variable])
        whole: Any = boto3.Session(botocore_session=session)
        return whole.client(
            service, region_name=region, endpoint_url=self._credentials.get("AWS_ENDPOINT_URL") or None, **keys
        )

    def _keys(self, region: str) -> dict[str, str]:
        """Return keys where variables lead to some: libraries look in those of this process alone."""
        from botocore import UNSIGNED  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.credentials import ContainerProvider  # noqa: PLC0415

        who = self._credentials
        if who.get("AWS_ACCESS_KEY_ID"):
            return {name: who[variable] for name, variable in _KEYS.items() if who.get(variable)}
        if who.get("AWS_ROLE_ARN") and who.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            token = Path(who["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text("utf-8")
            sts = self._client("sts", region, config=Config(signature_version=UNSIGNED))
            asked = {"RoleArn": who["AWS_ROLE_ARN"], "RoleSessionName": "slipway", "WebIdentityToken": token}
            answer = sts.assume_role_with_web_identity(**asked)["Credentials"]
            given = (str(answer[each]) for each in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
            return dict(zip(_KEYS, given, strict=True))
        found: Any = ContainerProvider(environ=dict(who)).load()
        if found is None:
            return {}
        kept = found.get_frozen_credentials()
        return {
            "aws_access_key_id": kept.access_key,
            "aws_secret_access_key": kept.secret_key,
            "aws_session_token": kept.token,
        }


def _code(error: TargetUnavailableError) -> str:
    """Return what AWS calls an error."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str((answer.get("Error") or {}).get("Code", ""))
