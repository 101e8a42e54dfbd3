"""Each credential is changed under load, as docs/rotation.md says: no pod is started anew, nothing is lost.

Meanwhile a socket says and hears nothing, through the ingress controller's default time-outs, and stays, for the
gateway pings. E2E_IDLE_SECONDS: how long; `make e2e-idle` has six minutes.
"""

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg2
import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.distributed.load import Load
from tests.e2e.cluster import URL, Release, until
from tests.e2e.conftest import heard, password

from chat4all.client import Client
from chat4all_devtools.stack.stack import Stack

ROLES = ("api", "gateway", "router")


IDLE = float(os.environ.get("E2E_IDLE_SECONDS", "65"))


@pytest.fixture(scope="module")
def idle(release: Release, people: Callable[[str], Client]) -> Iterator[concurrent.futures.Future[None]]:
    """A socket of carol's, to whom nobody writes, in a thread of its own; done when it has heard what comes at last."""

    async def stays() -> None:
        async with people("carol") as carol, people("ana") as ana, carol.listening() as socket:
            await socket.say({"type": "resume", "cursors": {}})
            chat = await ana.conversation_with("carol")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    while True:
                        await socket.hear()
            await ana.post(chat, "are you still there?")
            await heard(socket, {("message", "are you still there?")})

    release.install()  # so that no pod is replaced from now on
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        yield threads.submit(lambda: asyncio.run(stays()))


def seen(release: Release, path: str, text: str, roles: tuple[str, ...] = ROLES) -> bool:
    """Whether every pod of these roles has this in a file by now."""
    pods = [pod["metadata"]["name"] for role in roles for pod in release.namespace.pods(role)]
    return all(release.namespace.kubectl("exec", pod, "--", "cat", path) == text for pod in pods)


def names(release: Release) -> set[str]:
    return {pod["metadata"]["name"] for role in ROLES for pod in release.namespace.pods(role)}


def restarts(release: Release) -> int:
    pods = [pod for role in ROLES for pod in release.namespace.pods(role)]
    return sum(status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"])


def replaced(release: Release, secret: str, **keys: str) -> None:
    """The Secret has these keys, and no others."""
    data = {key.replace("__", "."): base64.b64encode(value.encode()).decode() for key, value in keys.items()}
    found = release.namespace.get("secret", secret)
    meta = {"name": secret, "namespace": release.namespace.name}
    gone = dict.fromkeys(set(found["data"]) - set(data))
    patch = json.dumps({"data": {**data, **gone}})
    release.namespace.kubectl("patch", "secret", meta["name"], "--type=merge", "-p", patch)


async def sql(release: Release, engines: Stack) -> None:
    engine, fresh = engines["postgresql"], secrets.token_urlsafe(24)
    url = f"postgresql://chat4all:{engine.password.read_text()}@{engine.address}/postgres"
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        await changed(release, "sql", fresh, lambda: cursor.execute(f"ALTER ROLE chat4all PASSWORD '{fresh}'"))
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'chat4all'"
        )
    engine.password.write_text(fresh)


async def cache(release: Release, engines: Stack) -> None:
    engine, fresh = engines["redis"], secrets.token_urlsafe(24)
    host, _, port = engine.address.partition(":")
    with redis.Redis(host, int(port), password=engine.password.read_text()) as client:
        await changed(release, "redis", fresh, lambda: client.config_set("requirepass", fresh))
        client.client_kill_filter(_type="normal")
    engine.password.write_text(fresh)


async def changed(release: Release, secret: str, fresh: str, change: Callable[[], Any]) -> None:
    """Change a Secret and what it is for, one right after the other, and wait until every pod has it."""
    replaced(release, secret, password=fresh)
    change()
    await asyncio.to_thread(until, "pods see it", lambda: seen(release, f"/secrets/{secret}/password", fresh))


async def keys(release: Release, engines: Stack) -> None:
    _ = engines
    old = {name: pem(release, name) for name in ("signing", "public")}
    key = Ed25519PrivateKey.generate()
    raw = serialization.Encoding.PEM
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(raw, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    replaced(release, "public", **{"2026__pub__pem": old["public"], "2027__pub__pem": public})
    replaced(release, "signing", **{"2026__pem": old["signing"], "2027__pub__pem": public})
    for path, role in (("/secrets/public", "gateway"), ("/secrets/signing", "api")):
        file = f"{path}/2027.pub.pem"
        await asyncio.to_thread(until, "pods know the key", lambda f=file, r=role: seen(release, f, public, (r,)))
    replaced(release, "signing", **{"2026__pem": old["signing"], "2027__pem": private})

    async def signer() -> str:
        async with httpx.AsyncClient() as client:
            form = {"username": "admin", "password": password("admin")}
            token = (await client.post(f"{URL}/token", data=form)).json()["access_token"]
        head = token.partition(".")[0]
        return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])

    async with asyncio.timeout(240):
        while {await signer() for _ in range(6)} != {"2027"}:
            await asyncio.sleep(0.5)


def pem(release: Release, secret: str) -> str:
    [(_, text)] = release.namespace.get("secret", secret)["data"].items()
    return base64.b64decode(text).decode()


@pytest.mark.sampled(1)
@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("rotate", [sql, cache, keys], ids=lambda one: one.__name__)
async def test_a_credential_is_changed_under_load(
    release: Release, engines: Stack, load: Load, rotate: Callable[..., Any]
) -> None:
    before = names(release), restarts(release)
    await rotate(release, engines)
    await load.goes_on()
    assert (names(release), restarts(release)) == before, "no pod was started anew"


async def test_the_internal_token_is_changed(release: Release) -> None:
    service = release.namespace.get("service", f"{release.fullname}-api-internal")["spec"]["clusterIP"]
    old = "internal-token-of-these-tests"
    fresh = "another-token-of-these-tests"

    async def statuses() -> list[int]:
        async with httpx.AsyncClient() as client:
            path = f"http://{service}:8002/internal/v1/connectors"
            tokens = (fresh, old) * 4  # whichever of the two APIs answers
            return [(await client.get(path, headers={"Authorization": f"Bearer {one}"})).status_code for one in tokens]

    for text, wanted in ((f"{fresh}\n{old}", [200, 200]), (fresh, [200, 401]), (old, [401, 200])):
        replaced(release, "internal", token=text)
        async with asyncio.timeout(240):
            while await statuses() != wanted * 4:
                await asyncio.sleep(0.5)


def test_an_idle_socket_has_stayed(idle: concurrent.futures.Future[None]) -> None:
    idle.result()
