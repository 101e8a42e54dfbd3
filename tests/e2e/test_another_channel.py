"""A channel of another package, in an image built FROM ours: nothing but the image changes, an apply makes it live."""

import http.server
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.node import images
from hack.node.components import ADDRESS
from tests.e2e.cluster import Namespace, Release, merged, until
from tests.e2e.conftest import SMALL, values

from chat4all_devtools.stack.stack import Stack

NODE = Path(os.environ.get("KUBECONFIG", "/nowhere/x")).parent
SITE = Path(__file__).parents[1] / "pigeon" / "site"
IMAGE = """FROM localhost/chat4all:dev
USER root
COPY site /site
RUN cp -r /site/* /opt/chat4all/lib/python3*/site-packages/
USER 10001:10001
"""
RING = "golden-ring-of-a-test"


class Loft(http.server.BaseHTTPRequestHandler):
    """The pigeons' provider, on the node's own address."""

    asked: list[str] = []  # noqa: RUF012 - of the one that a test runs

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        known = {"/loft": {"id": "1", "name": "the loft"}, "/where": {"url": ""}, "/home": {}}
        answer = json.dumps(known[self.path]).encode()
        self.send_response(200 if self.headers["X-Ring"] == RING else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def loft() -> Iterator[str]:
    with http.server.ThreadingHTTPServer((ADDRESS, 0), Loft) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{ADDRESS}:{server.server_port}"
        server.shutdown()


@pytest.fixture
def pigeons(people: object, prepared: Callable[[str], Namespace], engines: Stack, tmp_path: Path) -> Iterator[Release]:
    """A release of an API and an operator, with the image that has the channel; it shares the other one's users."""
    _ = people
    shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    (tmp_path / "Containerfile").write_text(IMAGE)
    images.load(NODE, images.build("pigeon", tmp_path, dockerfile="Containerfile"))
    own = merged(values(engines), {role: {"replicas": 0} for role in ("gateway", "router")} | {"api": {"replicas": 1}})
    own |= {"crds": {"enabled": False}, "rbac": {"clusterRoles": False}, "ingress": {"enabled": False}}
    own |= {"connectors": SMALL}
    own["image"] = {**own["image"], "tag": "pigeon"}
    one = Release(prepared("pigeons"), own)
    one.install()
    yield one
    one.namespace.delete()


def test_a_connector_of_another_packages_channel(pigeons: Release, loft: str) -> None:
    namespace = pigeons.namespace
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "ring"},
        "type": "chat4all.io/credentials",
        "stringData": {"ring": RING},
    }
    resource = {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": "loft"},
        "spec": {
            "channel": "pigeon",
            "credentialsSecretRef": {"name": "ring"},
            "config": {"baseURL": loft},
            "inbox": {"members": ["ana"]},
        },
    }
    namespace.kubectl("apply", "-f", "-", given=yaml.safe_dump_all([secret, resource]))
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/loft", "--timeout=240s")
    assert namespace.get("chconn", "loft")["status"]["account"] == "the loft"
    assert "/home" in Loft.asked
    namespace.kubectl("delete", "chconn", "loft", "--timeout=120s")
    until("its pods are gone", lambda: namespace.pods("connector") == [])
