"""A hub that plays a connector's pod, as its container would run: with a uid, and its Secret as files."""

from collections.abc import Mapping

from tests.operator.processes import Hub


def play(hub: Hub, uid: str, keys: Mapping[str, str], pod: str = "connector-support-0") -> None:
    """Start the hub again as the pod of this connector."""
    folder = hub.folder / f"credentials-{uid}"
    folder.mkdir()
    for name, value in keys.items():
        (folder / name).write_text(value)
    hub.server.stop()
    hub.server.set(
        CHAT4ALL_CHANNELS__UID=uid, CHAT4ALL_CHANNELS__CREDENTIALS_DIR=str(folder), CHAT4ALL_CHANNELS__POD=pod
    )
    hub.start()
