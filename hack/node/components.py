"""What the node runs: the control plane, containerd and kubelet, then DNS, metrics and an ingress, each a process.

The order is the order of their starts. Every path is in the node's folder, or in /run and /var, which are the node's
own (init.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hack.node import commands
from hack.node.certificates import Identity
from hack.node.programs import program

ADDRESS: Final = "10.88.0.1"  # the node's own, on a bridge: this kind of kernel may have no dummy device
NODE: Final = "node1"
INGRESS_PORT: Final = 8880
PODS: Final = "10.244.0.0/24"
_API_PORT: Final = 6443
API_SERVER: Final = f"https://{ADDRESS}:{_API_PORT}"
_DNS: Final = "10.96.0.10"
_ETCD: Final = "http://127.0.0.1:2379"

_API_NAMES: Final = (
    *("127.0.0.1", "10.96.0.1", ADDRESS),
    *("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
)
IDENTITIES: Final = (
    Identity("apiserver", "kube-apiserver", "kubernetes", _API_NAMES),
    Identity("admin", "admin", "system:masters"),
    Identity("controller-manager", "system:kube-controller-manager", "system:kube-controller-manager"),
    Identity("scheduler", "system:kube-scheduler", "system:kube-scheduler"),
    Identity("kubelet", f"system:node:{NODE}", "system:nodes", (NODE, ADDRESS, "127.0.0.1")),
    Identity("proxy", "system:kube-proxy", "system:node-proxier"),
    Identity("front", "front-proxy", "front"),
)


_ENVOY: Final = ("--service-cluster", "node", "--service-node", "node", "--concurrency", "1")


class Component(NamedTuple):
    """One process of the node, and the command that runs it in the foreground."""

    name: str
    command: list[str]


def configure(folder: Path, cgroup: str) -> None:
    """Write every configuration file. `cgroup`: the one that all pods are in."""
    for one in IDENTITIES:
        commands.kubeconfig(folder / f"{one.file}.conf", API_SERVER, folder / "pki", one.file)
    for name in ("etcd", "cni", "kubelet", "pods", "plugins", "contour"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "cni" / "10-node.conflist").write_text(json.dumps(_network()))
    (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder))
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(folder, cgroup)))
    (folder / "contour.yaml").write_text("{}\n")
    (folder / "Corefile").write_text(
        f".:53 {{\n  bind {ADDRESS}\n  kubernetes cluster.local {{\n    kubeconfig {folder}/admin.conf node\n  }}\n"
        "  errors\n}\n"
    )


def control_plane(folder: Path) -> Iterator[Component]:
    """What has to run before anything can be asked of the API server."""
    pki = folder / "pki"
    yield Component("etcd", commands.etcd(folder / "etcd", _ETCD, "http://127.0.0.1:2380"))
    yield Component("apiserver", commands.api_server(pki, _ETCD, ADDRESS, _API_PORT))
    yield Component("controller-manager", commands.controller_manager(pki, folder / "controller-manager.conf"))
    yield Component(
        "scheduler",
        [str(program("kube-scheduler")), f"--kubeconfig={folder}/scheduler.conf", "--leader-elect=false"],
    )
    yield Component("containerd", ["containerd", f"--config={folder}/containerd.toml"])


def services(folder: Path) -> Iterator[Component]:
    """What runs pods, and what they and whoever talks to them need; the API server answers."""
    yield Component("kubelet", [
        str(program("kubelet")), f"--config={folder}/kubelet.json", f"--kubeconfig={folder}/kubelet.conf",
        f"--hostname-override={NODE}", f"--node-ip={ADDRESS}", f"--root-dir={folder}/kubelet", "--v=2",
    ])  # fmt: skip
    yield Component("proxy", [
        str(program("kube-proxy")), f"--kubeconfig={folder}/proxy.conf", "--proxy-mode=iptables",
        f"--hostname-override={NODE}", f"--cluster-cidr={PODS}", "--conntrack-max-per-core=0",
    ])  # fmt: skip
    yield Component("coredns", [str(program("coredns")), f"-conf={folder}/Corefile"])
    admin = f"{folder}/admin.conf"
    yield Component("metrics-server", [
        str(program("metrics-server")), f"--kubeconfig={admin}", f"--authentication-kubeconfig={admin}",
        f"--authorization-kubeconfig={admin}", "--secure-port=4443", f"--cert-dir={folder}/metrics-server",
        "--kubelet-insecure-tls", "--kubelet-preferred-address-types=InternalIP", "--kubelet-request-timeout=5s",
        "--metric-resolution=10s",
    ])  # fmt: skip
    yield Component("contour", [
        str(program("contour")), "serve", "--insecure", "--disable-leader-election", f"--kubeconfig={admin}",
        "--xds-address=127.0.0.1", "--xds-port=8001", f"--envoy-service-http-address={ADDRESS}",
        f"--envoy-service-http-port={INGRESS_PORT}", "--envoy-service-https-port=8843",
        f"--config-path={folder}/contour.yaml",
    ])  # fmt: skip
    yield Component(
        "envoy",
        [str(_envoy()), "-c", f"{folder}/contour/bootstrap.json", *_ENVOY],
    )


def envoy_bootstrap(folder: Path) -> list[str]:
    """The command that writes what Envoy begins with."""
    bootstrap = [str(program("contour")), "bootstrap", "--xds-address=127.0.0.1", "--xds-port=8001"]
    return [*bootstrap, f"--admin-address={folder}/contour/admin.sock", f"{folder}/contour/bootstrap.json"]


def _envoy() -> Path:
    import envoy  # noqa: PLC0415 - only the node needs it

    return Path(envoy.__path__[0]) / "_bin" / "envoy"


def _network() -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "node", "plugins": [{**bridge, "ipam": addresses}, ports]}


def _kubelet(folder: Path, cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{folder}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [_DNS],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "containerRuntimeEndpoint": f"unix://{folder}/containerd.sock",
        "failSwapOn": False,
        "failCgroupV1": False,
        "podLogsDir": f"{folder}/pods",
        "volumePluginDir": f"{folder}/plugins",
        "tlsCertFile": f"{folder}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{folder}/pki/kubelet.key",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "resolvConf": "",
        "imageGCHighThresholdPercent": 100,  # never: images are loaded by hand, and the disk is shared
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "5s",  # within which a changed Secret is seen in a pod; usually it is a minute
    }


# restrict_oom_score_adj: a root that lacks CAP_SYS_RESOURCE cannot set it, and every sandbox would end with "can't get
# final child's PID from pipe: EOF".
_CONTAINERD: Final = """version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
