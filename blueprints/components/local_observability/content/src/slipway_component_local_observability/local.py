"""A collector beside the processes of an environment, on the local target."""

from pathlib import Path
from typing import Optional, TypedDict

import pulumi

from slipway_component_local_observability import collector

_LEAST = 1


class LocalObservabilityArgs(TypedDict):
    """What the collector takes."""

    keep: Optional[pulumi.Input[int]]  # noqa: UP045 - Pulumi's analyzer reads this spelling alone
    """How many records are kept, the newest of them; 10,000 where it is left out."""


class _Collector(pulumi.CustomResource):
    port: pulumi.Output[int]

    def __init__(self, name: str, keep: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        properties = {
            # The program goes along as a text, because nothing of this package is on the target.
            "command": 'exec python3 -c "$COLLECTOR"',
            "env": {"COLLECTOR": Path(collector.__file__).read_text("utf-8"), "KEEP": keep},
            "health": {"path": "/records", "timeout_seconds": 60},
            "limits": {"memory_mb": 512, "processes": 64, "open_files": 1024, "file_size_mb": 256},
            "port": None,
        }
        super().__init__("slipway:local:Process", name, properties, opts)


class LocalObservability(pulumi.ComponentResource):
    """Takes logs, metrics and traces of one environment as OTLP over HTTP in JSON, and shows them on a page."""

    endpoint: pulumi.Output[str]
    """What OTEL_EXPORTER_OTLP_ENDPOINT is set to; OTEL_EXPORTER_OTLP_PROTOCOL is ``http/json``."""
    page: pulumi.Output[str]
    """Where what was taken is shown, to whoever is on the machine."""

    def __init__(
        self,
        name: str,
        args: LocalObservabilityArgs,
        opts: Optional[pulumi.ResourceOptions] = None,  # noqa: UP045
    ) -> None:
        super().__init__("slipway-local-observability:index:LocalObservability", name, {}, opts)
        given = args.get("keep")
        keep = pulumi.Output.from_input(10_000 if given is None else given).apply(_checked)
        made = _Collector(f"{name}_collector", keep, pulumi.ResourceOptions(parent=self))
        self.endpoint = made.port.apply(lambda port: f"http://127.0.0.1:{int(port)}")
        self.page = made.port.apply(lambda port: f"http://127.0.0.1:{int(port)}/")
        self.register_outputs({"endpoint": self.endpoint, "page": self.page})


def _checked(keep: float) -> str:
    if keep < _LEAST:
        raise ValueError(f"keep is at least {_LEAST}")
    return str(int(keep))
