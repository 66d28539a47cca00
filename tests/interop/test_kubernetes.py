"""The contract of targets on a real Kubernetes API server with its controllers, and a node that kwok plays."""

import base64
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from catalog.environments.service import DeployPlan
from catalog.providers.targets.kubernetes_api import COMPONENT_LABEL, KubernetesCluster, KubernetesError
from catalog.settings import Settings, load_settings
from tests.workers.targets.contract import SPEC, Bench, TargetContract
from tests.workers.targets.parts import free_port, running
from workers import toolchain
from workers.engine import EngineError

RIGHTS = Path(__file__).resolve().parents[2] / "docs" / "kubernetes-rights.yaml"
IMAGES = "registry.example.com/{repository}-{component}:{revision}"


READY = """
phase: Running
startTime: {{ Now | Quote }}
conditions:
- {type: Ready, status: "True", lastTransitionTime: {{ Now | Quote }}}
"""


def _stage(name: str, kind: str, then: dict[str, Any], *conditions: tuple[str, str, tuple[str, ...]]) -> dict[str, Any]:
    """Return what kwok does next with an object that meets some conditions."""
    matches = [
        {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        for key, operator, values in conditions
    ]
    spec = {"resourceRef": {"apiGroup": "v1", "kind": kind}, "selector": {"matchExpressions": matches}, "next": then}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


_STAYS = (".metadata.deletionTimestamp", "DoesNotExist", ())
_PHASE = ".status.phase"
STAGES = (
    _stage("node-ready", "Node", {"statusTemplate": READY}, (_PHASE, "NotIn", ("Running",))),
    _stage("pod-ready", "Pod", {"statusTemplate": READY}, _STAYS, (_PHASE, "In", ("Pending",))),
    _stage(
        *("pod-of-a-job-ends", "Pod", {"statusTemplate": "phase: Succeeded"}, _STAYS),
        *((_PHASE, "In", ("Running",)), (".metadata.ownerReferences.[].kind", "In", ("Job",))),
    ),
    _stage("pod-goes", "Pod", {"delete": True}, (".metadata.deletionTimestamp", "Exists", ())),
)
"""What the node does: every pod starts, is ready, and ends when it shall."""


@dataclass
class Cluster:
    """A cluster; `kubeconfig` is Slipway's, `admin` may do everything.

    Pods of `refused` components get no node, and the images of `missing` ones are not there, for the reason given.
    """

    kubeconfig: str
    admin: KubernetesCluster
    refused: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def schedule(self) -> None:
        """Be the scheduler, which is not there: pods get the node, but for those that are refused."""
        while not self.stopping.wait(0.2):
            try:
                for pod in self.admin.listed("/api/v1/pods"):
                    if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                        self._place(pod)
            except KubernetesError:
                continue  # a pod that went meanwhile, or a server that is ending

    def _place(self, pod: dict[str, Any]) -> None:
        about = pod["metadata"]
        path = f"/api/v1/namespaces/{about['namespace']}"
        if reason := self.missing.get(about["labels"][COMPONENT_LABEL]):
            self._say_missing(pod, path, reason)
            return
        if about["labels"][COMPONENT_LABEL] not in self.refused:
            target = {"apiVersion": "v1", "kind": "Node", "name": "node"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": about["name"]}, "target": target}
            self.admin.make(f"{path}/pods/{about['name']}/binding", binding)
            return
        self._warn(about, "FailedScheduling", "0/1 nodes are available: 1 Insufficient memory.")

    def _warn(self, about: dict[str, Any], reason: str, message: str) -> None:
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "warning-"},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "involvedObject": {"kind": "Pod", "name": about["name"], "namespace": about["namespace"]},
        }
        self.admin.make(f"/api/v1/namespaces/{about['namespace']}/events", event)

    def _say_missing(self, pod: dict[str, Any], path: str, reason: str) -> None:
        """Say what a kubelet says of a pod whose first image cannot be pulled."""
        if (pod["status"].get("initContainerStatuses") or pod["status"].get("containerStatuses")) is not None:
            return
        about, spec = pod["metadata"], pod["spec"]
        kind = "initContainers" if spec.get("initContainers") else "containers"
        first = spec[kind][0]
        message = f'failed to pull and unpack image "{first["image"]}": not found'
        waits = {"name": first["name"], "image": first["image"], "imageID": "", "ready": False, "restartCount": 0}
        statuses = [{**waits, "state": {"waiting": {"reason": reason, "message": message}}}]
        status = {"phase": "Pending", f"{kind.removesuffix('s')}Statuses": statuses}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": about["name"]}, "status": status}
        self._warn(about, "Failed", f"Error: {reason}")
        self.admin.apply(f"{path}/pods/{about['name']}/status", manifest)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    tools = load_settings().tools_dir
    etcd = shutil.which("etcd")
    assert etcd is not None, "etcd is missing; Debian, Ubuntu: apt install etcd-server"
    needed = (toolchain.KUBE_APISERVER, toolchain.KUBE_CONTROLLER_MANAGER, toolchain.KWOK)
    server, manager, kwok = (toolchain.ensure(tools, each, print) for each in needed)
    with tempfile.TemporaryDirectory(prefix="slw-cluster-") as folder, ExitStack() as stack:
        place = Path(folder)
        store, peer, port = free_port(), free_port(), free_port()
        (place / "tokens.csv").write_text('root-token,root,1,"system:masters"\nslipway-token,slipway,2\n')
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        (place / "key.pem").write_bytes(key.private_bytes(*pem, serialization.NoEncryption()))
        for name in ("root", "slipway"):
            (place / name).write_text(_kubeconfig(port, f"{name}-token"))
        address = f"http://127.0.0.1:{store}"
        _start(
            stack,
            place,
            *(etcd, "--data-dir", f"{folder}/etcd", "--listen-client-urls", address),
            *(
                "--advertise-client-urls",
                address,
                "--listen-peer-urls",
                f"http://127.0.0.1:{peer}",
                "--log-level=error",
            ),
        )
        _start(
            stack,
            place,
            *(str(server), f"--etcd-servers={address}", f"--secure-port={port}", "--bind-address=127.0.0.1"),
            *("--authorization-mode=RBAC", f"--token-auth-file={folder}/tokens.csv", f"--cert-dir={folder}/certs"),
            *("--service-account-issuer=https://kubernetes.default.svc", "--endpoint-reconciler-type=none"),
            *(f"--service-account-signing-key-file={folder}/key.pem", f"--service-account-key-file={folder}/key.pem"),
            *("--service-cluster-ip-range=10.0.0.0/24", "--allow-privileged=false"),
            # Debian's etcd is too old for it, and the node would see each pod half a minute late.
            "--feature-gates=WatchList=false",
        )
        admin = KubernetesCluster(str(place / "root"))
        _until(lambda: admin.text("/readyz") == "ok", place)
        _start(
            stack,
            place,
            *(str(manager), f"--kubeconfig={folder}/root", "--leader-elect=false", "--secure-port=0"),
            *(f"--service-account-private-key-file={folder}/key.pem", "--use-service-account-credentials=false"),
            "--controllers=*,-node-lifecycle-controller",
        )
        (place / "stages.yaml").write_text(yaml.safe_dump_all(STAGES))
        playing = ("--manage-all-nodes=true", f"--config={folder}/stages.yaml")
        _start(stack, place, *(str(kwok), f"--kubeconfig={folder}/root", *playing))
        admin.make("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}})
        for manifest in yaml.safe_load_all(RIGHTS.read_text()):
            kind = f"{manifest['kind'].lower()}s"
            admin.apply(f"/apis/rbac.authorization.k8s.io/v1/{kind}/{manifest['metadata']['name']}", manifest)
        made = Cluster(str(place / "slipway"), admin)
        player = threading.Thread(target=made.schedule, daemon=True)
        player.start()
        yield made
        made.stopping.set()
        player.join(30)


def _kubeconfig(port: int, token: str) -> str:
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": server}],
            "users": [{"name": "me", "user": {"token": token}}],
        }
    )


def _start(stack: ExitStack, place: Path, *command: str) -> None:
    log = stack.enter_context((place / f"{Path(command[0]).name}.log").open("wb"))
    process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log, cwd=place))
    stack.callback(process.kill)


def _until(holds: Any, place: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if holds():
                return
        except KubernetesError:
            pass  # not there yet
        logs = "\n".join(each.read_text("utf-8", "replace")[-2000:] for each in place.glob("*.log"))
        assert time.monotonic() < deadline, logs
        time.sleep(0.2)


@pytest.fixture(scope="module")
def settings(cluster: Cluster) -> Iterator[Settings]:
    with running(targets=("kubernetes",), kubeconfig=cluster.kubeconfig, image_pattern=IMAGES) as made:
        yield made


@pytest.fixture
def bench(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(settings, "kubernetes", tmp_path_factory.mktemp("shop"))
    yield made
    made.clean()


class TestKubernetes(TargetContract):
    """Namespaces of a cluster, made by an account that has the documented rights and no others."""

    @pytest.fixture(autouse=True)
    def _look(self, cluster: Cluster) -> Iterator[None]:
        self.cluster = cluster
        yield
        cluster.refused.clear()
        cluster.missing.clear()

    def test_what_does_not_start_says_why_and_no_secret(self, bench: Bench) -> None:
        self.cluster.refused.add("web")
        web = {**SPEC["environment"]["components"]["web"], "health": {"path": "/", "timeout": "PT10S"}}
        environment = {**SPEC["environment"], "components": {**SPEC["environment"]["components"], "web": web}}
        plan = bench.plan(bench.commit("three"), environment=environment)
        with pytest.raises(EngineError) as failed:
            bench.up(plan)
        assert failed.value.message.startswith("web: not ready after 10 s.")
        assert "FailedScheduling: 0/1 nodes are available: 1 Insufficient memory." in failed.value.message
        bench.destroy(plan)
        assert bench.inventory(plan) == ()

    def test_the_namespace_has_quota_policy_and_rights_of_its_own(self, bench: Bench) -> None:
        plan = bench.plan(bench.commit("one"))
        bench.up(plan)
        path = f"namespaces/slipway-{plan.environment_id}"
        place = f"/api/v1/{path}/resourcequotas/environment"
        assert self.cluster.admin.get(place)["spec"]["hard"]["services.loadbalancers"] == "0"
        self.in_time(lambda: self.cluster.admin.get(place)["status"].get("used", {}).get("pods") == "2")
        policy = self.cluster.admin.get(f"/apis/networking.k8s.io/v1/{path}/networkpolicies/environment")["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        controller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
        assert policy["ingress"] == [{"from": [{"podSelector": {}}, controller]}]
        inside, names, outside = policy["egress"]
        assert inside == {"to": [{"podSelector": {}}]}
        assert [each["port"] for each in names["ports"]] == [53, 53]
        assert "10.0.0.0/8" in outside["to"][0]["ipBlock"]["except"]
        account = self.cluster.admin.get(f"/api/v1/{path}/serviceaccounts/application")
        assert account["automountServiceAccountToken"] is False
        found = self.cluster.admin.get(f"/apis/apps/v1/{path}/deployments/web")
        assert {each["manager"] for each in found["metadata"]["managedFields"] if each["operation"] == "Apply"} == {
            "slipway"
        }
        container = found["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == f"registry.example.com/{bench.repository.name}-web:{plan.head_sha}"
        assert container["command"] == ["/bin/sh", "-c", "sh web.sh"]
        assert container["resources"]["limits"]["memory"] == "256Mi"
        assert "ahoy-from-the-inputs" not in str(found)
        ingress = self.cluster.admin.get(f"/apis/networking.k8s.io/v1/{path}/ingresses/public")
        assert ingress["spec"]["rules"][0]["host"] == plan.hostname

    def test_servers_have_claims_that_outlast_their_pods(self, bench: Bench) -> None:
        components = {
            "web": {
                "type": "process",
                "command": "serve",
                "env": {"DATABASE_URL": "${db.url}", "REDIS_URL": "${cache.url}", "S3": "${files.url}"},
            },
            "db": {"type": "postgres", "seed": {"data": "synthetic", "sql": "seed.sql"}},
            "cache": {"type": "redis"},
            "files": {"type": "objects"},
        }
        environment = {"components": components, "outputs": {"url": "${web.url}"}}
        plan = bench.plan(bench.commit("one", **{"seed.sql": "SELECT 1;"}), environment=environment)
        bench.up(plan)
        path = f"namespaces/slipway-{plan.environment_id}"
        get = self.cluster.admin.get
        database = get(f"/apis/apps/v1/{path}/deployments/db")["spec"]
        assert database["strategy"] == {"type": "Recreate"}
        container = database["template"]["spec"]["containers"][0]
        assert container["image"] == "postgres:18-alpine"
        assert container["readinessProbe"]["exec"]["command"][2].startswith("pg_isready")
        assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
        secret = get(f"/api/v1/{path}/secrets/web-env")["data"]
        url = f"postgresql://app:{plan.credentials['db']}@db:5432/app"
        assert base64.b64decode(secret["DATABASE_URL"]).decode() == url
        assert plan.credentials["db"] not in str(self.cluster.admin.listed(f"/apis/apps/v1/{path}/deployments"))
        job = get(f"/apis/batch/v1/{path}/jobs/db-seed")
        assert job["status"]["succeeded"] == 1
        assert [each["name"] for each in job["spec"]["template"]["spec"]["initContainers"]] == ["begin", "fill"]
        claims = [f"{name}-data" for name in ("cache", "db", "files")]
        self.in_time(
            lambda: (
                get(f"/api/v1/{path}/resourcequotas/environment")["status"]["used"].get("requests.storage") == "15Gi"
            )
        )

        def held() -> list[str]:
            found = self.cluster.admin.listed(f"/api/v1/{path}/persistentvolumeclaims")
            return sorted(each["metadata"]["name"] for each in found)

        assert held() == claims
        bench.sleep(plan)
        self.in_time(lambda: self.cluster.admin.listed(f"/apis/apps/v1/{path}/deployments") == [])
        assert held() == claims
        bench.up(plan)
        bench.destroy(plan)
        assert bench.inventory(plan) == ()

    def test_an_image_that_cannot_be_pulled_is_told_of_at_once(self, bench: Bench) -> None:
        # As long as it may take: what fails before is not what ran out of time.
        web = {**SPEC["environment"]["components"]["web"], "health": {"path": "/", "timeout": "PT1H"}}
        environment = {**SPEC["environment"], "components": {**SPEC["environment"]["components"], "web": web}}
        plan = bench.plan(bench.commit("one"), environment=environment)
        self.cluster.missing["web"] = "ErrImagePull"
        with pytest.raises(EngineError) as failed:
            bench.up(plan)
        image = f"registry.example.com/{bench.repository.name}-web:{plan.head_sha}"
        said = f'web: ErrImagePull: failed to pull and unpack image "{image}": not found.'
        assert failed.value.message.startswith(said), failed.value.message
        assert "Failed: Error: ErrImagePull" in failed.value.message

    def test_a_filling_whose_image_cannot_be_pulled_says_so_at_once_and_leaves_no_job(self, bench: Bench) -> None:
        plan = self.with_seed(bench, "one")
        jobs = f"/apis/batch/v1/namespaces/slipway-{plan.environment_id}/jobs"
        for reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
            self.cluster.missing["db-seed"] = reason
            with pytest.raises(EngineError) as failed:
                bench.up(plan)
            said = f'db-seed: {reason}: failed to pull and unpack image "postgres:18-alpine": not found.'
            assert failed.value.message.startswith(said), failed.value.message
            assert f"Failed: Error: {reason}" in failed.value.message
            self.in_time(lambda: self.cluster.admin.listed(jobs) == [])
        self.cluster.missing.clear()
        bench.up(plan)
        assert [each["metadata"]["name"] for each in self.cluster.admin.listed(jobs)] == ["db-seed"]

    def test_a_filling_that_is_cancelled_leaves_no_job(self, bench: Bench) -> None:
        self.cluster.refused.add("db-seed")
        plan = self.with_seed(bench, "one")
        path = f"/api/v1/namespaces/slipway-{plan.environment_id}/pods"
        label = f"{COMPONENT_LABEL}=db-seed"
        bench.cancel(plan, lambda: self.cluster.admin.listed(path, label) != [])
        self.in_time(lambda: self.cluster.admin.listed(path, label) == [])
        bench.destroy(plan)
        assert bench.inventory(plan) == ()

    def test_images_of_several_repositories_are_named_after_the_commit_of_each(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        other = Bench(bench.settings, "kubernetes", tmp_path / "billing")
        sha = other.commit("two")
        bench.others = {"billing": other.repository}
        components = SPEC["environment"]["components"]
        environment = {
            "repositories": {"billing": {"repository": str(other.repository), "commit": sha}},
            "components": {**components, "api": {**components["api"], "repository": "billing"}},
            "outputs": {"url": "${web.url}"},
        }
        plan = bench.plan(bench.commit("one"), environment=environment)
        bench.up(plan)
        path = f"/apis/apps/v1/namespaces/slipway-{plan.environment_id}/deployments"
        found = {each["metadata"]["name"]: each["spec"]["template"] for each in self.cluster.admin.listed(path)}
        assert {name: each["spec"]["containers"][0]["image"] for name, each in found.items()} == {
            "web": f"registry.example.com/{bench.repository.name}-web:{plan.head_sha}",
            "api": f"registry.example.com/billing-api:{sha}",
        }

    def test_pods_beyond_the_quota_are_refused_and_the_refusal_is_told(self, bench: Bench) -> None:
        plan = bench.plan(bench.commit("one"))
        bench.up(plan)
        path = f"/api/v1/namespaces/slipway-{plan.environment_id}"
        self.in_time(lambda: self.quota(path)["status"].get("used", {}).get("pods") == "2")
        allowed = int(self.quota(path)["spec"]["hard"]["pods"])
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"generateName": "more-", "labels": {COMPONENT_LABEL: "more"}},
            "spec": {"containers": [{"name": "more", "image": "x", "resources": {"limits": {"memory": "1Mi"}}}]},
        }
        for _ in range(allowed - 2):
            self.cluster.admin.make(f"{path}/pods", pod)
        with pytest.raises(KubernetesError, match=r"exceeded quota: environment, requested: pods=1"):
            self.cluster.admin.make(f"{path}/pods", pod)

        quick = {"path": "/", "timeout": "PT5S"}
        changed = {name: {**each, "health": quick} for name, each in SPEC["environment"]["components"].items()}
        moved = bench.plan(
            bench.commit("two"), plan.environment_id, environment={**SPEC["environment"], "components": changed}
        )
        with pytest.raises(EngineError, match=r"(?s)not ready after 5 s\..*FailedCreate: .*exceeded quota"):
            bench.up(moved)

    def test_slipway_may_do_nothing_beyond_its_environments(self, bench: Bench) -> None:
        bench.up(bench.plan(bench.commit("one")))
        own = KubernetesCluster(self.cluster.kubeconfig)
        for path in ("/api/v1/namespaces/kube-system/secrets", "/api/v1/secrets", "/api/v1/nodes", "/api/v1/pods"):
            with pytest.raises(KubernetesError, match="forbidden"):
                own.get(path)

    def test_a_deployment_that_was_removed_is_noticed_and_made_again(self, bench: Bench) -> None:
        plan = bench.plan(bench.commit("one"))
        bench.up(plan)
        path = f"/apis/apps/v1/namespaces/slipway-{plan.environment_id}/deployments/web"
        self.cluster.admin.delete(path)
        self.in_time(lambda: self.cluster.admin.get(path) is None)
        assert bench.engine.refresh(bench.request(plan)).missing == ("web",)
        bench.up(plan)
        self.answers(bench, plan, "one ahoy-from-the-inputs from the api")

    def with_seed(self, bench: Bench, version: str) -> DeployPlan:
        """Return the plan of an environment whose database begins with something."""
        web = {"type": "process", "command": "serve", "env": {"DATABASE_URL": "${db.url}"}}
        server = {"type": "postgres", "seed": {"data": "synthetic", "sql": "seed.sql"}}
        environment = {"components": {"web": web, "db": server}, "outputs": {"url": "${web.url}"}}
        return bench.plan(bench.commit(version, **{"seed.sql": "SELECT 1;"}), environment=environment)

    def quota(self, path: str) -> Any:
        """Return the quota of a namespace."""
        return self.cluster.admin.get(f"{path}/resourcequotas/environment")

    def answers(self, bench: Bench, plan: DeployPlan, text: str) -> None:
        """Look whether pods of the commit, and no others, are ready; nothing runs in them that could answer."""
        del bench
        space = f"/api/v1/namespaces/slipway-{plan.environment_id}"
        # Those of before end in their own time.
        there = self.cluster.admin.listed(f"{space}/pods", COMPONENT_LABEL)
        pods = [each for each in there if "deletionTimestamp" not in each["metadata"]]
        assert sorted(each["metadata"]["labels"][COMPONENT_LABEL] for each in pods) == ["api", "web"]
        assert {each["metadata"]["annotations"]["slipway.dev/revision"] for each in pods} == {plan.head_sha}
        conditions = [one for each in pods for one in each["status"]["conditions"] if one["type"] == "Ready"]
        assert [each["status"] for each in conditions] == ["True", "True"]
        variables = self.cluster.admin.get(f"{space}/secrets/web-env")["data"]
        assert base64.b64decode(variables["GREETING"]).decode() in text
        assert base64.b64decode(variables["API_URL"]) == b"http://api:8080/"

    def rests(self, bench: Bench, plan: DeployPlan) -> None:
        """Look whether nothing runs."""
        del bench
        path = f"/apis/apps/v1/namespaces/slipway-{plan.environment_id}/deployments"
        self.in_time(lambda: self.cluster.admin.listed(path) == [])

    def logs(self, bench: Bench, plan: DeployPlan) -> None:
        """Look whether each component is named; these nodes hand out no logs."""
        assert {each.component for each in bench.there.log_tails(plan.environment_id, 50)} == {"web", "api"}
