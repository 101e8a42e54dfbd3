"""A real node, real engines beside it in its network, and one release of the chart that most tests share.

`make e2e` runs these in the node's network. The image is localhost/chat4all:dev, built from this checkout.
"""

import asyncio
import base64
import concurrent.futures
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hack.node.components import ADDRESS
from tests.distributed.load import Load, check
from tests.e2e.cluster import DEADLINE, URL, CommandError, Namespace, Release, run, until

from chat4all.client import AnswerError, Client, Socket
from chat4all.connectors.simulator import BOT
from chat4all_devtools.stack.stack import Stack

PEOPLE = {"ana": "agent", "bruno": "user", "carol": "user"}
SMALL = {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}}
PER_SECOND = 20.0  # messages of a load
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def password(name: str) -> str:
    return f"long-enough-{name}"


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Real engines on the node's own address, where pods reach them; the tests' own, or those of STACK. They are
    started when the first release waits for them."""

    if folder := os.environ.get("STACK"):
        yield Stack(Path(folder), host=ADDRESS)
        return
    folder_path = tmp_path_factory.mktemp("engines")
    for one in (folder_path, *folder_path.parents[:2]):
        one.chmod(0o755)  # PostgreSQL is run by a user of its own
    stack = Stack(folder_path, host=ADDRESS)
    for engine in stack.engines:
        engine.install()
        engine.choose_ports(free=False)
    yield stack
    for engine in stack.engines:
        engine.signal(signal.SIGKILL)  # told to end, PostgreSQL would wait for its clients, which still run
    stack.down()


@pytest.fixture(scope="session")
def keys() -> dict[str, str]:
    """A key that signs tokens, and its public half; those that a release has which is there already."""
    with contextlib.suppress(CommandError):
        found = Namespace("c4a").get("secret", "signing", "public")
        texts = [base64.b64decode(next(iter(one["data"].values()))).decode() for one in found]
        return {"private": texts[0], "public": texts[1]}
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"private": private.decode(), "public": public.decode()}


@pytest.fixture(scope="session")
def prepared(engines: Stack, keys: dict[str, str]) -> Callable[[str], Namespace]:
    """Make a namespace with every Secret that the chart is told of."""

    def prepare(name: str) -> Namespace:
        namespace = Namespace(name)
        for secret, engine in (("sql", "postgresql"), ("redis", "redis"), ("s3", "minio")):
            namespace.secret(secret, password=engines[engine].password.read_text())
        namespace.secret("signing", **{"2026__pem": keys["private"]})
        namespace.secret("public", **{"2026__pub__pem": keys["public"]})
        namespace.secret("internal", token="internal-token-of-these-tests")
        namespace.secret("admin", password=password("admin"))
        namespace.secret("probe", username="probe", password=password("probe"))
        return namespace

    return prepare


def values(engines: Stack) -> dict[str, Any]:
    """The values of a release on these engines."""

    def port(name: str) -> int:
        return engines[name].port()

    return {
        "image": {"repository": "localhost/chat4all", "tag": "dev", "pullPolicy": "Never"},
        "kafka": {"servers": engines["kafka"].address, "replication": 1, "minInsyncReplicas": 1},
        "cassandra": {"hosts": ADDRESS, "port": port("cassandra"), "replication": 1},
        "directory": {
            "dialect": "postgresql",
            "host": ADDRESS,
            "port": port("postgresql"),
            "user": "chat4all",
            "existingSecret": "sql",
        },
        "redis": {"host": ADDRESS, "port": port("redis"), "existingSecret": "redis"},
        "files": {"endpoint": engines["minio"].address, "user": "chat4all", "existingSecret": "s3"},
        "accounts": {"signingKeys": {"existingSecret": "signing"}, "publicKeys": {"existingSecret": "public"}},
        "internal": {"existingSecret": "internal"},
        "admin": {"existingSecret": "admin"},
        "probe": {"existingSecret": "probe"},
        "ingress": {"enabled": True, "className": "contour"},
        "preStopSeconds": 2,
        "hooks": {"publicURL": URL},
        **dict.fromkeys(("api", "gateway", "router", "migrate", "operator"), SMALL),
        "connectors": {"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}},
        "settings": {
            "api": {"postsPerSecond": 100_000, "postBurst": 100_000},
            "accounts": {"loginsPerMinute": 100_000, "loginBurst": 1000},
            "channels": {"attemptSeconds": 5},
            "server": {"logLevel": "INFO"},
        },
    }


@pytest.fixture(scope="session")
def release(engines: Stack, prepared: Callable[[str], Namespace]) -> Release:
    """Two APIs, two gateways and two routers, installed by helm while the engines are still away, and ready."""
    namespace = prepared("c4a")
    one = Release(namespace, values(engines))
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        installing = threads.submit(one.install, "--atomic", "--wait", "--wait-for-jobs", "--timeout", "8m")
        migrate = ("logs", "-l", "app.kubernetes.io/component=migrate", "--tail=-1")
        if "STACK" not in os.environ:  # case A8: the engines come later
            until("it waits for engines", lambda: "waiting: " in namespace.kubectl(*migrate))
            engines.up()
        installing.result()
    return one


@pytest.fixture(scope="session")
def people(release: Release) -> Callable[[str], Client]:
    """Clients of people who exist, through the Ingress."""

    async def make() -> None:
        async with Client(URL, "admin", password("admin")) as admin:
            for name, role in PEOPLE.items():
                with contextlib.suppress(AnswerError):  # they are there: engines of STACK may have been used before
                    await admin.call("POST", "/v1/users", {"username": name, "password": password(name), "role": role})

    asyncio.run(make())
    return lambda name: Client(URL, name, password(name))


@pytest.fixture(scope="session")
def simulator(release: Release) -> str:
    """The simulator's address, which the node reaches as pods do. It is apart from the release, as providers are: it
    keeps its phones in memory, and is not replaced with the pods of the release."""
    namespace = release.namespace
    apart = Release(namespace, {**release.values, "simulator": {"enabled": True, **SMALL}}, "phones")
    namespace.kubectl("apply", "-f", "-", given=apart.helm("template", "--show-only", "templates/simulator.yaml"))
    service = namespace.get("service", f"{apart.fullname}-simulator")
    url = f"http://{service['spec']['clusterIP']}"
    until("its Service leads to the simulator", lambda: run("curl", "--silent", "--fail", f"{url}/control/faults"))
    return url


@pytest.fixture(scope="session")
def phone(release: Release, people: Callable[[str], Client], simulator: str) -> str:
    """Bruno's phone at the simulator, and a connector to it that exists only because of its resource."""
    with httpx.Client(base_url=f"{simulator}/control/telegram", timeout=60) as control:
        token = control.put(f"/bots/{BOT}", json={}).raise_for_status().json()["token"]
        number = control.put("/phones/bruno", json={"first_name": "Bruno"}).raise_for_status().json()["id"]
        control.post(f"/phones/bruno/chats/{BOT}/messages", json={"text": "/start"}).raise_for_status()
    namespace = release.namespace
    apply_example(namespace, token, simulator)
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/support", f"--timeout={DEADLINE:.0f}s")

    async def link() -> None:
        async with Client(URL, "admin", password("admin")) as admin:
            body = {"username": "bruno", "channel_type": "telegram", "identifier": str(number)}
            with contextlib.suppress(AnswerError):  # they are linked: engines of STACK may have been used before
                await admin.call("POST", "/v1/users/channels", {**body, "connector": f"{namespace.name}.support"})

    asyncio.run(link())
    return simulator


def apply_example(namespace: Namespace, token: str, simulator: str, name: str = "support", **spec: Any) -> None:
    """Apply examples/telegram.yaml with this token, to the simulator. `spec`: in place of what is in it;
    None leaves a field out."""
    secret, resource = yaml.safe_load_all((EXAMPLES / "telegram.yaml").read_text())
    secret["metadata"]["name"] = resource["spec"]["credentialsSecretRef"]["name"] = f"{name}-telegram"
    secret["stringData"]["botToken"] = token
    resource["metadata"]["name"] = name
    wanted = {**resource["spec"], "config": {"baseURL": simulator}, **spec}
    resource["spec"] = {field: value for field, value in wanted.items() if value is not None}
    namespace.kubectl("apply", "-f", "-", given=yaml.safe_dump_all([secret, resource]))


@pytest_asyncio.fixture
async def ana(people: Callable[[str], Client]) -> AsyncIterator[Client]:
    async with people("ana") as client:
        yield client


@pytest_asyncio.fixture
async def bruno(people: Callable[[str], Client]) -> AsyncIterator[Client]:
    async with people("bruno") as client:
        yield client


@pytest_asyncio.fixture
async def load(release: Release, people: Callable[[str], Client], phone: str) -> AsyncIterator[Load]:
    """Twenty messages a second from before the test to its end, when each is accounted for."""
    release.install()
    writing = Load(URL, phone, per_second=PER_SECOND, client=people)
    await writing.start()
    await writing.goes_on()
    yield writing
    await writing.goes_on()
    check(writing, await writing.finish())
    assert writing.account.total > 100
    shown = await writing.on_the_phone()
    assert all(1 <= times <= 1 + doubts for times, doubts in shown.values()), shown


async def heard(socket: Socket, wanted: set[tuple[str, str]]) -> None:
    """Hear until everything that is wanted, as (type, content or id), was there."""
    async with asyncio.timeout(DEADLINE):
        while wanted:
            frame = await socket.hear()
            wanted -= {
                (frame["type"], str(frame.get(key))) for key in ("content", "message_id", "conversation_id", "user_id")
            }
