"""A connector of the simulator's Telegram, as connectors/*.yaml make one."""

from pathlib import Path

from tests.integration.simulator.world import Bot

FILE = """\
apiVersion: v1
kind: Secret
metadata: {{name: keys}}
stringData: {{botToken: "{token}", webhookSecret: secret_of_this_test}}
---
apiVersion: chat4all.io/v1alpha1
kind: ChannelConnector
metadata: {{name: support}}
spec:
  channel: telegram
  credentialsSecretRef: {{name: keys}}
  config: {{baseURL: "{url}"}}
  inbox: {{members: [{inbox}]}}
"""


def connectors(folder: Path, bot: Bot, inbox: str = "ana") -> dict[str, object]:
    """The settings under which one runs."""
    there = folder / "connectors"
    there.mkdir()
    text = FILE.format(token=bot.token, url=bot.simulator.url, inbox=inbox)
    (there / "support.yaml").write_text(text)
    return {"folder": there, "attempt_seconds": 3.0}
