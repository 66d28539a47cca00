"""The engine's plugin for the local target: `Checkout`, `Process` and `Route` as resources."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

NAME = "slipway"
VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class PluginConfiguration:
    """Where the plugin finds what it drives: data, sockets' directory, the process host's socket, which router.

    ``credentials`` are variables by which clouds know who asks; they are never written down with the rest.
    """

    data_dir: Path
    run_dir: Path
    process_host_socket: Path
    router: str = "haproxy"
    docker_socket: str = "/var/run/docker.sock"
    kubeconfig: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, str]:
        """Return the configuration as JSON data, without credentials."""
        return {each.name: str(getattr(self, each.name)) for each in fields(self) if each.name != "credentials"}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `as_json` returned."""
        return cls(
            data_dir=Path(data["data_dir"]),
            run_dir=Path(data["run_dir"]),
            process_host_socket=Path(data["process_host_socket"]),
            router=str(data.get("router", "haproxy")),
            docker_socket=str(data.get("docker_socket", "/var/run/docker.sock")),
            kubeconfig=str(data.get("kubeconfig", "")),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a configuration file."""
        return cls.from_json(json.loads(path.read_text("utf-8")))
