"""What is left when a release goes, and how the next one goes on: under its name, another, in another namespace."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from tests.e2e.cluster import CommandError, Namespace, Release, run, until
from tests.e2e.conftest import password, values

from chat4all.client import Client
from chat4all_devtools.stack.stack import Stack

KINDS = "deployments,jobs,services,serviceaccounts,ingresses,hpa,pdb,networkpolicies,pods,replicasets"


def said(people: Callable[[str], Client], text: str) -> str:
    """Ana writes to bruno; the conversation's id."""

    async def write() -> str:
        async with people("ana") as ana:
            chat = await ana.conversation_with("bruno")
            await ana.post(chat, text)
            while text not in await heard(ana, chat):
                await asyncio.sleep(0.1)
            return chat

    return asyncio.run(asyncio.wait_for(write(), 120))


async def heard(client: Client, chat: str) -> list[str]:
    rows = (await client.call("GET", f"/v1/conversations/{chat}/messages?limit=200")).json()
    return [row["content"] for row in rows]


def still_there(people: Callable[[str], Client], chat: str, *texts: str) -> None:
    async def read() -> None:
        async with people("bruno") as bruno:
            assert set(texts) <= set(await heard(bruno, chat))

    asyncio.run(read())


def left(namespace: Namespace, release: str) -> list[str]:
    theirs = f"app.kubernetes.io/instance={release},app.kubernetes.io/managed-by!=chat4all-operator"
    found = namespace.get(KINDS, "-l", theirs)  # connectors stay, without pods
    return [f"{one['kind']}/{one['metadata']['name']}" for one in found if "deletionTimestamp" not in one["metadata"]]


@pytest.mark.long
def test_a_release_leaves_nothing_but_definitions_secrets_and_data(
    release: Release, people: Callable[[str], Client]
) -> None:
    release.install()
    chat = said(people, "before it went")
    release.uninstall()
    until("nothing of it is left", lambda: left(release.namespace, release.name) == [])
    assert "channelconnectors.chat4all.io" in run("kubectl", "get", "crds", "-o", "name")
    assert {one["metadata"]["name"] for one in release.namespace.get("secrets")} >= {"signing", "sql", "admin"}

    release.install()
    still_there(people, chat, "before it went")
    said(people, "under the same name")

    release.uninstall()
    other = Release(release.namespace, release.values, "another")
    with pytest.raises(CommandError, match="invalid ownership metadata"):
        other.install("--wait", "--timeout", "3m")
    other.install("--take-ownership", "--wait", "--wait-for-jobs", "--timeout", "5m")
    still_there(people, chat, "before it went", "under the same name")
    other.uninstall()
    third = Release(release.namespace, release.values, "third")
    third.install(crds={"enabled": False})
    still_there(people, chat, "before it went")
    third.uninstall()
    release.install("--take-ownership", "--wait", "--wait-for-jobs", "--timeout", "5m")
    said(people, "and at home again")


@pytest.fixture
def elsewhere(prepared: Callable[[str], Namespace]) -> Iterator[Namespace]:
    namespace = prepared("elsewhere")
    yield namespace
    namespace.delete()


def test_a_second_release_works_beside_it_without_rights_in_the_cluster(
    release: Release, engines: Stack, elsewhere: Namespace, people: Callable[[str], Client]
) -> None:
    """Whoever installs it may do everything in their namespace, and nothing else."""
    name = elsewhere.name
    elsewhere.kubectl("create", "serviceaccount", "installer")
    elsewhere.kubectl("create", "rolebinding", "installer", "--clusterrole=admin", f"--serviceaccount={name}:installer")
    token = elsewhere.kubectl("create", "token", "installer").strip()
    second = Release(elsewhere, values(engines))
    second.values |= {"crds": {"enabled": False}, "rbac": {"clusterRoles": False}, "ingress": {"enabled": False}}
    second.install("--kube-token", token, "--wait", "--wait-for-jobs", "--timeout", "5m")
    assert "was accepted once" in second.test()
    assert release.namespace.ready("api") == 2
    place = elsewhere.get("service", f"{second.fullname}-api")["spec"]["clusterIP"]

    async def both() -> None:
        async with Client(f"http://{place}", "ana", password("ana")) as here, people("ana") as there:
            chat = await here.conversation_with("carol")
            await here.post(chat, "from the second release")
            async with asyncio.timeout(120):
                while "from the second release" not in await heard(there, chat):
                    await asyncio.sleep(0.1)

    asyncio.run(both())
    second.uninstall()
