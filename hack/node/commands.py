"""The commands of a control plane's processes, as far as they are the same wherever one runs, and its clients' files.

The node of the e2e tests (components.py) and the control plane of the operator's (control_plane.py) add where theirs
listen. `pki`: the folder that certificates.py has made.
"""

import json
from pathlib import Path
from typing import Final

from hack.node.programs import program

SERVICES: Final = "10.96.0.0/16"


def etcd(data: Path, clients: str, peers: str) -> list[str]:
    """The command of an etcd that does not wait for the disk. `clients`, `peers`: the URLs that it listens on."""
    return [
        "etcd", f"--data-dir={data}", "--unsafe-no-fsync", f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}", f"--listen-peer-urls={peers}",
    ]  # fmt: skip


def api_server(pki: Path, etcd_url: str, address: str, port: int) -> list[str]:
    """The command of an API server with RBAC. `address`: its own, under which others find it."""
    return [
        str(program("kube-apiserver")), f"--etcd-servers={etcd_url}", f"--service-cluster-ip-range={SERVICES}",
        f"--advertise-address={address}", f"--secure-port={port}", f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key", f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/sa.key", f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc", f"--kubelet-client-certificate={pki}/admin.crt",
        f"--kubelet-client-key={pki}/admin.key", "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
        f"--requestheader-client-ca-file={pki}/ca.crt", "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User", f"--proxy-client-cert-file={pki}/front.crt",
        f"--proxy-client-key-file={pki}/front.key",
    ]  # fmt: skip


def controller_manager(pki: Path, config: Path) -> list[str]:
    """The command of a controller manager that looks at autoscalers often. `config`: its kubeconfig."""
    return [
        str(program("kube-controller-manager")), f"--kubeconfig={config}", f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key", "--use-service-account-credentials",
        f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
        "--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-downscale-stabilization=20s",
        "--leader-elect=false",
    ]  # fmt: skip


def kubeconfig(file: Path, server: str, pki: Path, user: str) -> None:
    """Write the file with which this user's programs find the server and are known to it."""
    cluster = {"server": server, "certificate-authority": f"{pki}/ca.crt"}
    client = {"client-certificate": f"{pki}/{user}.crt", "client-key": f"{pki}/{user}.key"}
    file.write_text(json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "node", "cluster": cluster}],
        "users": [{"name": user, "user": client}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": user}}],
        "current-context": "node",
    }))  # fmt: skip
