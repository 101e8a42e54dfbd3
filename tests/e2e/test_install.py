"""What a person has after `helm install`: a hub that chats over REST, WebSocket, the console and a phone."""

import asyncio
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect
from tests.e2e.cluster import URL, Release, run
from tests.e2e.conftest import password

from chat4all.client import Client
from chat4all_devtools.phones import Phones

PATIENCE = 120.0  # seconds


def test_two_of_each_role_are_ready_and_nothing_was_refused(release: Release) -> None:
    assert {role: release.namespace.ready(role) for role in ("api", "gateway", "router")} == {
        "api": 2,
        "gateway": 2,
        "router": 2,
    }
    warnings = [one["reason"] for one in release.namespace.get("events", "--field-selector=type=Warning")]
    refusals = {"FailedCreate", "FailedScheduling", "Failed", "BackOff", "InvalidImageName"}
    assert not refusals & set(warnings), "a probe may ask, and a mount be tried, before anything is there; no more"


def test_helm_test_proves_that_a_message_goes_through(release: Release) -> None:
    for _ in range(2):
        said = release.test()
        assert "was accepted once, and stored after" in said
        assert "Phase:          Succeeded" in said


async def test_two_people_chat_over_rest_and_websocket(ana: Client, bruno: Client) -> None:
    chat = await ana.conversation_with("bruno")
    async with bruno.listening() as socket, asyncio.timeout(PATIENCE):
        await socket.say({"type": "resume", "cursors": {}})
        message = await ana.post(chat, "Olá pelo Ingress!")
        while (frame := await socket.hear()).get("message_id") != message or "content" not in frame:
            pass
    assert frame["content"] == "Olá pelo Ingress!"


async def test_the_console_opens_through_the_ingress(ana: Client) -> None:
    chat = await ana.conversation_with("carol")
    await ana.post(chat, "Seen in the console")
    program = shutil.which("chromium")
    assert program is not None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(locale="en")
        await page.goto(URL)
        expect.set_options(timeout=PATIENCE * 1000)
        await page.get_by_label("User name").fill("carol")
        await page.get_by_label("Password").fill(password("carol"))
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_text("Seen in the console").first).to_be_visible()
        await browser.close()


async def test_a_message_reaches_the_phone_and_its_answer_comes_back(
    phone: str, ana: Client, people: Callable[[str], Client]
) -> None:
    chat = await ana.conversation_with("bruno")
    async with Phones(phone) as phones, asyncio.timeout(PATIENCE):
        await ana.post(chat, "To your phone")
        while not (seen := [one for one in await phones.shows("bruno") if "To your phone" in str(one.get("text"))]):
            await asyncio.sleep(0.2)
        # Other tests' conversations reach this phone too: the answer says which is meant.
        await phones.write("bruno", "From my phone", quoting=seen[-1]["message_id"])
        while True:
            rows = (await ana.call("GET", f"/v1/conversations/{chat}/messages")).json()
            if any(row["content"] == "From my phone" for row in rows):
                break
            await asyncio.sleep(0.2)


def test_the_internal_api_is_not_in_the_ingress(release: Release) -> None:
    said = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{URL}/internal/v1/connectors")
    assert said == "404"


FORBIDDEN = re.compile(
    r"/bin/(gcc|cc|make|pip3?|go|git|curl)$|-packages/(pip|ensurepip|setuptools|hatchling|pytest|chat4all_devtools)/"
    r"|/python-wheels/|/share/(doc|man)/.|/tests?/[^/]*\.py$"
)


def test_the_image_has_nothing_that_no_role_needs() -> None:
    """A new file system is what a pod has: the image's layers, one over the other."""
    from hack.node.images import archive  # noqa: PLC0415

    names: set[str] = set()
    with tarfile.open(archive("dev")) as whole:
        manifest = json.load(whole.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(whole.extractfile(manifest[0]["Config"]))  # type: ignore[arg-type]
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=whole.extractfile(layer)) as files:
                for member in files:
                    if (folder := Path(member.name)).name.startswith(".wh."):
                        gone = str(folder.with_name(folder.name.removeprefix(".wh.")))
                        names = {one for one in names if one != gone and not one.startswith(f"{gone}/")}
                    else:
                        names.add(member.name)
    assert [name for name in names if FORBIDDEN.search(f"/{name}")] == []
    assert config["config"]["User"] == "10001:10001"
    labels = config["config"]["Labels"]
    assert {f"org.opencontainers.image.{key}" for key in ("title", "version", "revision", "licenses")} <= set(labels)


@pytest.mark.parametrize("component", ["api", "gateway", "router"])
def test_a_pod_has_only_what_it_needs(release: Release, component: str) -> None:
    [pod, *_] = release.namespace.pods(component)
    mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert not any("serviceaccount" in one for one in mounts)
    assert ("/secrets/signing" in mounts) == (component == "api"), "keys that sign are the API's alone"
    assert ("/secrets/public" in mounts) == (component == "gateway")
