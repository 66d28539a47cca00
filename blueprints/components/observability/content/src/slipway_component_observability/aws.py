"""Observability on AWS: CloudWatch, Managed Prometheus, SNS."""

import json
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_observability.labels import labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.


class AwsAlarm(TypedDict):
    """A metric and the threshold above which people are told."""

    name: str
    """What is wrong when it rings, in a few words."""
    namespace: str
    """The namespace of the metric, such as AWS/ApplicationELB."""
    metric: str
    """The metric, such as HTTPCode_Target_5XX_Count."""
    threshold: float
    """The value above which it rings."""
    statistic: NotRequired[str]
    """Average, Sum, Maximum, Minimum or SampleCount. Default: Average."""
    dimensions: NotRequired[dict[str, str]]
    """Which of the metrics."""
    minutes: NotRequired[int]
    """For how many minutes in a row. Default: 5."""


class AwsObservabilityArgs(TypedDict):
    """What observability on AWS is made from."""

    tenant: str
    """The tenant that it belongs to; a tag on everything."""
    environment: str
    """The environment that it is part of; a tag on everything."""
    owner: str
    """The team that answers for it; a tag on everything."""
    region: str
    """The region, such as eu-central-1."""
    emails: list[str]
    """Who is told; each confirms it once."""
    alarms: NotRequired[list[AwsAlarm]]
    """When people are told."""
    log_days: NotRequired[int]
    """How long logs are kept; one of the numbers that CloudWatch knows. Default: 365."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AwsObservability(pulumi.ComponentResource):
    """A log group, a workspace for metrics, alarms that reach people, and a dashboard of them."""

    log_group: pulumi.Output[str]
    """Where applications write logs."""
    metrics_workspace: pulumi.Output[str]
    """The workspace of Managed Prometheus."""
    remote_write_url: pulumi.Output[str]
    """Where metrics are written to, signed with IAM."""
    otlp_traces_endpoint: pulumi.Output[str]
    """Where traces go by OTLP over HTTP, signed with IAM."""
    otlp_logs_endpoint: pulumi.Output[str]
    """Where logs go by OTLP over HTTP, signed with IAM."""
    topic_arn: pulumi.Output[str]
    """The topic by which people are told."""

    def __init__(
        self, name: str, args: AwsObservabilityArgs, opts: Optional[pulumi.ResourceOptions] = None
    ) -> None:
        super().__init__("slipway-observability:index:AwsObservability", name, {}, opts)
        from pulumi_aws import amp, cloudwatch, sns

        region = require(args, "region")
        tags = labels(args, "observability")
        own = options(self)
        logs = cloudwatch.LogGroup(name, retention_in_days=args.get("log_days") or 365, tags=tags, opts=own)
        metrics = amp.Workspace(name, alias=name, tags=tags, opts=own)
        topic = sns.Topic(name, kms_master_key_id="alias/aws/sns", tags=tags, opts=own)
        for index, email in enumerate(require(args, "emails")):
            sns.TopicSubscription(
                f"{name}-{index}", topic=topic.arn, protocol="email", endpoint=email, opts=own
            )
        alarms = [self._alarm(name, alarm, topic, tags) for alarm in args.get("alarms") or []]
        if alarms:
            body = pulumi.Output.all(*(alarm.arn for alarm in alarms)).apply(lambda arns: _dashboard(arns, region))
            cloudwatch.Dashboard(name, dashboard_name=name, dashboard_body=body, opts=own)
        self.log_group = logs.name
        self.metrics_workspace = metrics.id
        self.remote_write_url = pulumi.Output.concat(metrics.prometheus_endpoint, "api/v1/remote_write")
        self.otlp_traces_endpoint = pulumi.Output.from_input(f"https://xray.{region}.amazonaws.com/v1/traces")
        self.otlp_logs_endpoint = pulumi.Output.from_input(f"https://logs.{region}.amazonaws.com/v1/logs")
        self.topic_arn = topic.arn
        self.register_outputs(
            {
                "log_group": self.log_group,
                "metrics_workspace": self.metrics_workspace,
                "remote_write_url": self.remote_write_url,
                "otlp_traces_endpoint": self.otlp_traces_endpoint,
                "otlp_logs_endpoint": self.otlp_logs_endpoint,
                "topic_arn": self.topic_arn,
            }
        )

    def _alarm(self, name: str, alarm: AwsAlarm, topic: Any, tags: dict[str, str]) -> Any:
        from pulumi_aws import cloudwatch

        return cloudwatch.MetricAlarm(
            f"{name}-{alarm['name']}",
            alarm_description=alarm["name"],
            namespace=alarm["namespace"],
            metric_name=alarm["metric"],
            dimensions=alarm.get("dimensions"),
            statistic=alarm.get("statistic") or "Average",
            comparison_operator="GreaterThanThreshold",
            threshold=alarm["threshold"],
            period=60,
            evaluation_periods=alarm.get("minutes") or 5,
            treat_missing_data="notBreaching",
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
            tags=tags,
            opts=options(self),
        )


def _dashboard(arns: list[str], region: str) -> str:
    widgets = [
        {
            "type": "metric",
            "x": 12 * (index % 2),
            "y": 6 * (index // 2),
            "width": 12,
            "height": 6,
            "properties": {"region": region, "annotations": {"alarms": [arn]}},
        }
        for index, arn in enumerate(arns)
    ]
    return json.dumps({"widgets": widgets})
