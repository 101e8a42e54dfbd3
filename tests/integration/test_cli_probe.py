"""chat4all probe: what it proves, and what it says where something is wrong."""

import json

import pytest
from tests.integration.people import PASSWORD, System, expected

from chat4all import __version__
from chat4all.cli import probe
from chat4all.client import AnswerError

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(url: str, folder=None) -> list[str]:
    return [line async for line in probe._probed(url, url, folder)]


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "username").write_text("prober\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path


async def test_a_message_is_accepted_once_however_often_it_is_run(system: System, secret) -> None:
    await system.register("prober")
    for _ in range(2):
        ready, message = await told(system.url, secret)
        assert ready == f"{system.url} is ready, release {__version__}"
        assert "accepted once" in message
    prober = await system.login("prober", PASSWORD)
    [chat] = expected(await prober.call("GET", "/v1/conversations"), 200).json()
    assert chat["members"] == ["prober"]
    rows = expected(await prober.call("GET", f"/v1/conversations/{chat['conversation_id']}/messages"), 200).json()
    assert len(rows) == 2, "one for each time, in a conversation of its own"


async def test_without_a_user_it_says_what_it_has_not_checked(system: System) -> None:
    _, said = await told(system.url)
    assert "no message was sent" in said


async def test_a_wrong_password_is_said(system: System, secret) -> None:
    (secret / "password").write_text("of-another-stable")
    with pytest.raises(AnswerError, match="wrong password"):
        await told(system.url, secret)


async def test_what_is_not_ready_is_said_with_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_PATIENCE_SECONDS", 1.0)
    with pytest.raises(AnswerError, match=r"is not ready.*kubectl get events"):
        await told("http://127.0.0.1:1")


async def test_the_version_is_public(system: System) -> None:
    answer = expected(await system.stranger().call("GET", "/version"), 200)
    assert json.loads(answer.text) == {"version": __version__}
