"""`chat4all unregister` as a Job runs it: real processes, a real database, and no process of the connector."""

import json
from pathlib import Path

import httpx
import pytest

from chat4all.connectors.simulator import BOT
from chat4all.model.ids import new_id
from chat4all_devtools.stack.roles import Roles

pytestmark = pytest.mark.engine
MANAGER = "operator/team/release"


def test_a_connector_without_a_process_is_unregistered_by_the_command(
    roles: Roles, phones: str, tmp_path: Path
) -> None:
    uid, bot, token = new_id(), f"{BOT}_leaving", roles.log("api1").with_name("internal-token").read_text()
    with httpx.Client(timeout=60, trust_env=False) as http:
        key = http.put(f"{phones}/control/telegram/bots/{bot}", json={}).raise_for_status().json()["token"]
        api = f"{phones}/bot{key}"
        http.post(f"{api}/setWebhook", json={"url": f"http://127.0.0.1:1/hooks/telegram/{uid}"}).raise_for_status()
        resource = {
            "apiVersion": "chat4all.io/v1alpha1",
            "kind": "ChannelConnector",
            "metadata": {"name": "leaving", "namespace": "team"},
            "spec": {
                "channel": "telegram",
                "credentialsSecretRef": {"name": "keys"},
                "config": {"baseURL": phones, "mode": "Webhook"},
                "inbox": {"members": ["ana"]},
            },
        }
        place = f"http://127.0.0.1:{roles.internal}/internal/v1/connectors/{uid}"
        headers = {"Authorization": f"Bearer {token.strip()}"}
        wanted = {"managedBy": MANAGER, "resource": resource, "unregister": True}
        http.put(place, json=wanted, headers=headers).raise_for_status()
        settings = {
            "CHAT4ALL_CHANNELS__UID": uid,
            "CHAT4ALL_CHANNELS__CREDENTIALS_DIR": str(tmp_path),
            "CHAT4ALL_CHANNELS__POD": "job",
        }
        lacking = roles.command("unregister", environment=settings)
        assert (lacking.returncode, "has no key botToken" in lacking.stderr) == (1, True), lacking
        (tmp_path / "botToken").write_text(key)
        done = roles.command("unregister", "--json", environment=settings)
        assert (done.returncode, json.loads(done.stdout)) == (0, {"unregistered": "team.leaving"}), done
        assert http.post(f"{api}/getWebhookInfo").json()["result"]["url"] == ""
        (report,) = http.get(place, headers=headers).json()["reports"]
        assert (report["pod"], report["reason"], report["unregistered"]) == ("job", "Unregistered", True)
        assert http.delete(place, params={"managedBy": MANAGER}, headers=headers).json() == {"status": "removed"}
