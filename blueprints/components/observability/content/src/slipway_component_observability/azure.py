"""Observability on Azure: Log Analytics, Azure Monitor, Application Insights."""

import json
import uuid
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_observability.labels import labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.


class AzureAlert(TypedDict):
    """A metric of a resource and the threshold above which people are told."""

    name: str
    """What is wrong when it rings, in a few words."""
    resource_id: pulumi.Input[str]
    """The resource whose metric it is."""
    namespace: str
    """The namespace of the metric, such as Microsoft.DBforPostgreSQL/flexibleServers."""
    metric: str
    """The metric, such as cpu_percent."""
    threshold: float
    """The value above which it rings."""
    aggregation: NotRequired[str]
    """Average, Total, Maximum, Minimum or Count. Default: Average."""
    severity: NotRequired[int]
    """From 0 (critical) to 4. Default: 2."""


class AzureObservabilityArgs(TypedDict):
    """What observability on Azure is made from."""

    tenant: str
    """The tenant of Slipway that it belongs to; a tag on everything."""
    environment: str
    """The environment that it is part of; a tag on everything."""
    owner: str
    """The team that answers for it; a tag on everything."""
    resource_group: pulumi.Input[str]
    """The resource group that holds it."""
    location: str
    """The region, such as westeurope."""
    emails: list[str]
    """Who is told."""
    alerts: NotRequired[list[AzureAlert]]
    """When people are told."""
    log_days: NotRequired[int]
    """How long logs are kept, 30 to 730. Default: 365."""
    daily_gb: NotRequired[float]
    """The most that is taken in on one day, against bills by accident. Default: 5."""
    tags: NotRequired[dict[str, str]]
    """More tags for everything."""


class AzureObservability(pulumi.ComponentResource):
    """A workspace for logs, one for metrics, traces, alerts that reach people, and a workbook."""

    workspace_id: pulumi.Output[str]
    """The workspace of Log Analytics, for diagnostic settings."""
    metrics_workspace: pulumi.Output[str]
    """The workspace for Prometheus metrics."""
    connection_string: pulumi.Output[str]
    """What the OpenTelemetry exporter for Azure Monitor is given; a secret."""
    action_group_id: pulumi.Output[str]
    """The group of people who are told."""

    def __init__(
        self, name: str, args: AzureObservabilityArgs, opts: Optional[pulumi.ResourceOptions] = None
    ) -> None:
        super().__init__("slipway-observability:index:AzureObservability", name, {}, opts)
        from pulumi_azure_native import applicationinsights, monitor, operationalinsights

        tags = labels(args, "observability")
        group = require(args, "resource_group")
        place = {"resource_group_name": group, "location": require(args, "location"), "tags": tags, "opts": options(self)}
        logs = operationalinsights.Workspace(
            name,
            sku={"name": "PerGB2018"},
            retention_in_days=args.get("log_days") or 365,
            workspace_capping={"daily_quota_gb": args.get("daily_gb") or 5},
            features={"disable_local_auth": True},
            **place,
        )
        metrics = monitor.AzureMonitorWorkspace(name, **place)
        traces = applicationinsights.Component(
            name,
            kind="web",
            application_type="web",
            ingestion_mode="LogAnalytics",
            workspace_resource_id=logs.id,
            **place,
        )
        people = monitor.ActionGroup(
            name,
            group_short_name=name[:12],
            enabled=True,
            email_receivers=[
                {"name": f"person-{index}", "email_address": email, "use_common_alert_schema": True}
                for index, email in enumerate(require(args, "emails"))
            ],
            **{**place, "location": "global"},
        )
        alerts = args.get("alerts") or []
        for alert in alerts:
            self._alert(name, alert, people, place)
        self._workbook(name, alerts, place)
        self.workspace_id = logs.id
        self.metrics_workspace = metrics.id
        self.connection_string = pulumi.Output.secret(traces.connection_string)
        self.action_group_id = people.id
        self.register_outputs(
            {
                "workspace_id": self.workspace_id,
                "metrics_workspace": self.metrics_workspace,
                "connection_string": self.connection_string,
                "action_group_id": self.action_group_id,
            }
        )

    def _alert(self, name: str, alert: AzureAlert, people: Any, place: dict[str, Any]) -> None:
        from pulumi_azure_native import monitor

        monitor.MetricAlert(
            f"{name}-{alert['name']}",
            description=alert["name"],
            enabled=True,
            severity=alert.get("severity", 2),
            scopes=[alert["resource_id"]],
            evaluation_frequency="PT1M",
            window_size="PT5M",
            auto_mitigate=True,
            criteria={
                "odata_type": "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                "all_of": [
                    {
                        "criterion_type": "StaticThresholdCriterion",
                        "name": "above",
                        "metric_namespace": alert["namespace"],
                        "metric_name": alert["metric"],
                        "operator": "GreaterThan",
                        "threshold": alert["threshold"],
                        "time_aggregation": alert.get("aggregation") or "Average",
                    }
                ],
            },
            actions=[{"action_group_id": people.id}],
            **{**place, "location": "global"},
        )

    def _workbook(self, name: str, alerts: list[AzureAlert], place: dict[str, Any]) -> None:
        from pulumi_azure_native import applicationinsights

        lines = "\n".join(f"- {alert['name']}: {alert['metric']} above {alert['threshold']}" for alert in alerts)
        text = {"type": 1, "content": {"json": f"# {name}\n\n{lines or 'There are no alerts.'}"}}
        query = {"version": "KqlItem/1.0", "query": "AppRequests | summarize count() by ResultCode, bin(TimeGenerated, 5m)"}
        applicationinsights.Workbook(
            name,
            resource_name_=str(uuid.uuid5(uuid.NAMESPACE_URL, f"slipway:{name}")),
            display_name=name,
            kind="shared",
            category="workbook",
            serialized_data=json.dumps({"version": "Notebook/1.0", "items": [text, {"type": 3, "content": query}]}),
            **place,
        )
