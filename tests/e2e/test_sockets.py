"""Sockets on several gateways, without stickiness: live updates, and a way in without WebSockets. Case A12."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from hack.node.components import ADDRESS, INGRESS_PORT
from tests.e2e.cluster import URL, Release, apply, until
from tests.e2e.conftest import heard, password

from chat4all.client import AnswerError, Client, Socket

PATIENCE = 240.0
PAIRS = int(os.environ.get("E2E_PAIRS", "8"))  # `make e2e-idle` has 15
MESSAGES = 10  # by each of a pair's first


@pytest.fixture
def three(release: Release, people: Callable[[str], Client]) -> Release:
    """Three gateways and three APIs."""
    release.install(api={"replicas": 3}, gateway={"replicas": 3})
    until("three of each", lambda: release.namespace.ready("gateway") == release.namespace.ready("api") == 3)
    return release


async def stored(client: Client, message: str) -> None:
    """Wait until a message can be edited: it may be accepted and not yet stored."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await client.call("GET", f"/v1/messages/{message}")
            except AnswerError as error:
                assert error.status == 404
                await asyncio.sleep(0.05)
            else:
                return


async def test_a12_everything_reaches_every_socket_on_every_pod(three: Release) -> None:
    names = [f"guest{number}" for number in range(2 * PAIRS)]
    async with contextlib.AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Client(URL, "admin", password("admin")))
        for name in names:
            with contextlib.suppress(AnswerError):
                await admin.call("POST", "/v1/users", {"username": name, "password": password(name)})
        clients = [await stack.enter_async_context(Client(URL, name, password(name))) for name in names]
        sockets = []
        for client in (*clients, clients[0]):  # the first one is at two screens
            socket = await stack.enter_async_context(client.listening())
            await socket.say({"type": "resume", "cursors": {}})
            sockets.append(socket)
        [*own, second] = sockets
        pairs = [(clients[i], clients[i + 1], own[i], own[i + 1]) for i in range(0, len(names), 2)]

        async def talk(one: Client, other: Client, mine: Socket, theirs: Socket, also: list[Socket]) -> None:
            chat = await one.conversation_with(other.username)
            ids = [await one.post(chat, f"{one.username} {number}") for number in range(MESSAGES)]
            await stored(one, ids[-1])
            await one.call("PATCH", f"/v1/messages/{ids[0]}", {"content": f"{one.username} edited"})
            await one.call("DELETE", f"/v1/messages/{ids[1]}")
            said: set[tuple[str, str]] = {("message", f"{one.username} {number}") for number in range(2, MESSAGES)}
            said |= {("edit", f"{one.username} edited"), ("delete", ids[1])}
            await asyncio.gather(*(heard(socket, set(said)) for socket in (mine, theirs, *also)))
            await mine.say({"type": "typing", "conversation_id": chat})
            await heard(theirs, {("typing", one.username)})
            await theirs.say({"type": "read", "conversation_id": chat, "seq": MESSAGES})
            await heard(mine, {("receipt", chat)})

        await asyncio.gather(*(talk(*pair, [second] if number == 0 else []) for number, pair in enumerate(pairs)))


async def test_a_way_in_without_websockets_fails_clearly(release: Release, people: Callable[[str], Client]) -> None:
    """An Ingress of Contour's without its annotation."""
    backend: dict[str, Any] = {"service": {"name": f"{release.fullname}-gateway", "port": {"name": "http"}}}
    rule = {"host": "plain.example.org", "http": {"paths": [{"path": "/ws", "pathType": "Exact", "backend": backend}]}}
    meta = {"name": "plain", "namespace": release.namespace.name}
    spec = {"ingressClassName": "contour", "rules": [rule]}
    apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec})
    async with people("ana") as ana:
        token = await ana.token()
    protocols = [websockets.Subprotocol("chat4all"), websockets.Subprotocol(f"bearer.{token}")]
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                place: dict[str, Any] = {"host": ADDRESS, "port": INGRESS_PORT, "proxy": None}
                async with websockets.connect("ws://plain.example.org/ws", subprotocols=protocols, **place):
                    raise AssertionError("it was let through")
            except websockets.InvalidStatus as refused:
                if refused.response.status_code != 404:  # the controller has not heard of it yet
                    assert refused.response.status_code in (403, 426)
                    break
            await asyncio.sleep(0.2)
    release.namespace.kubectl("delete", "ingress", "plain")
