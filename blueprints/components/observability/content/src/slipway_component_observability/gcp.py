"""Observability on Google Cloud: Cloud Logging and Cloud Monitoring."""

import json
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from slipway_component_observability.labels import google_labels, options, require

# The SDK of a cloud is imported where a component of it is made: whoever uses one cloud needs no other's.


class GcpAlert(TypedDict):
    """A metric and the threshold above which people are told."""

    name: str
    """What is wrong when it rings, in a few words."""
    filter: str
    """Which metrics, as Cloud Monitoring writes it."""
    threshold: float
    """The value above which it rings."""
    minutes: NotRequired[int]
    """For how many minutes in a row. Default: 5."""


class GcpObservabilityArgs(TypedDict):
    """What observability on Google Cloud is made from."""

    tenant: str
    """The tenant that it belongs to; a label where there are labels."""
    environment: str
    """The environment that it is part of; a label where there are labels."""
    owner: str
    """The team that answers for it; a label where there are labels."""
    project: str
    """The project."""
    location: str
    """Where logs are kept, such as europe-west3 or global."""
    emails: list[str]
    """Who is told."""
    alerts: NotRequired[list[GcpAlert]]
    """When people are told."""
    log_days: NotRequired[int]
    """How long logs are kept, 1 to 3650. Default: 365."""
    tags: NotRequired[dict[str, str]]
    """More labels, where there are labels."""


class GcpObservability(pulumi.ComponentResource):
    """A bucket for logs, alerts that reach people, and a dashboard of them."""

    log_bucket: pulumi.Output[str]
    """Where logs are kept."""
    otlp_endpoint: pulumi.Output[str]
    """Where traces, metrics and logs go by OTLP, with the credentials of a service account."""
    channel_ids: pulumi.Output[list[str]]
    """The channels by which people are told."""

    def __init__(
        self, name: str, args: GcpObservabilityArgs, opts: Optional[pulumi.ResourceOptions] = None
    ) -> None:
        super().__init__("slipway-observability:index:GcpObservability", name, {}, opts)
        from pulumi_gcp import logging, monitoring

        project = require(args, "project")
        known_as = google_labels(args, "observability")
        own = options(self)
        bucket = logging.ProjectBucketConfig(
            name,
            project=project,
            location=require(args, "location"),
            bucket_id=name,
            retention_days=args.get("log_days") or 365,
            enable_analytics=True,
            # Buckets for logs have no labels, so what would be in them stands in the description.
            description=" ".join(f"{key}={value}" for key, value in sorted(known_as.items())),
            opts=own,
        )
        logging.ProjectSink(
            name,
            project=project,
            destination=pulumi.Output.concat("logging.googleapis.com/", bucket.id),
            unique_writer_identity=True,
            opts=own,
        )
        channels = [
            monitoring.NotificationChannel(
                f"{name}-{index}",
                project=project,
                type="email",
                display_name=email,
                labels={"email_address": email},
                user_labels=known_as,
                opts=own,
            )
            for index, email in enumerate(require(args, "emails"))
        ]
        alerts = args.get("alerts") or []
        for alert in alerts:
            self._alert(name, project, alert, channels, known_as)
        if alerts:
            monitoring.Dashboard(name, project=project, dashboard_json=_dashboard(name, alerts), opts=own)
        self.log_bucket = bucket.id
        self.otlp_endpoint = pulumi.Output.from_input("https://telemetry.googleapis.com")
        self.channel_ids = pulumi.Output.all(*(channel.id for channel in channels))
        self.register_outputs(
            {
                "log_bucket": self.log_bucket,
                "otlp_endpoint": self.otlp_endpoint,
                "channel_ids": self.channel_ids,
            }
        )

    def _alert(
        self, name: str, project: str, alert: GcpAlert, channels: list[Any], known_as: dict[str, str]
    ) -> None:
        from pulumi_gcp import monitoring

        monitoring.AlertPolicy(
            f"{name}-{alert['name']}",
            project=project,
            display_name=alert["name"],
            combiner="OR",
            severity="WARNING",
            conditions=[
                {
                    "display_name": alert["name"],
                    "condition_threshold": {
                        "filter": alert["filter"],
                        "comparison": "COMPARISON_GT",
                        "threshold_value": alert["threshold"],
                        "duration": f"{60 * (alert.get('minutes') or 5)}s",
                        "aggregations": [{"alignment_period": "60s", "per_series_aligner": "ALIGN_MEAN"}],
                    },
                }
            ],
            notification_channels=[channel.id for channel in channels],
            user_labels=known_as,
            opts=options(self),
        )


def _dashboard(name: str, alerts: list[GcpAlert]) -> str:
    tiles = [
        {
            "xPos": 24 * (index % 2),
            "yPos": 16 * (index // 2),
            "width": 24,
            "height": 16,
            "widget": {
                "title": alert["name"],
                "xyChart": {
                    "dataSets": [{"timeSeriesQuery": {"timeSeriesFilter": {"filter": alert["filter"]}}}],
                    "thresholds": [{"value": alert["threshold"]}],
                },
            },
        }
        for index, alert in enumerate(alerts)
    ]
    return json.dumps({"displayName": name, "mosaicLayout": {"columns": 48, "tiles": tiles}})
