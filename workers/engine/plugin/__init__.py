"""The engine's plugin for the local target: `Checkout`, `Process` and `Route` as resources."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

NAME = "slipway"
VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class PluginConfiguration:
    """Where the plugin finds what it drives: data, sockets' directory, the process host's socket, which router."""

    data_dir: Path
    run_dir: Path
    process_host_socket: Path
    router: str = "haproxy"
    docker_socket: str = "/var/run/docker.sock"
    kubeconfig: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the configuration as JSON data."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `as_json` returned."""
        paths = {name: Path(data[name]) for name in ("data_dir", "run_dir", "process_host_socket")}
        return cls(
            **paths,
            router=str(data.get("router", "haproxy")),
            docker_socket=str(data.get("docker_socket", "/var/run/docker.sock")),
            kubeconfig=str(data.get("kubeconfig", "")),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a configuration file."""
        return cls.from_json(json.loads(path.read_text("utf-8")))
