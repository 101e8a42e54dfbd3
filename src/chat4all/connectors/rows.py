"""What a connector's row says, checked: the same for a process that runs it and for one that unregisters it."""

from typing import NamedTuple

import pydantic

from chat4all.channels.kit.manifest import Manifest, Manifests
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors.health import Trouble
from chat4all.directory.channels import DISABLED, REMOVING, UNREGISTERING, ConnectorRow
from chat4all.model.connector_reasons import Code

_STANDING = {UNREGISTERING, DISABLED, REMOVING}  # states that no resource asks for


class NotReadyError(Exception):
    """The connector cannot run. `trouble`: what is missing or wrong."""

    def __init__(self, reason: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.trouble = Trouble(reason, sentence)


class CheckedRow(NamedTuple):
    """A row whose parts are valid. `state`: the row's own; the resource's is Paused where it is none that one asks
    for."""

    state: str
    resource: ChannelConnector
    manifest: Manifest
    config: pydantic.BaseModel


def checked(row: ConnectorRow | None, uid: str, manifests: Manifests) -> CheckedRow:
    """Return the row's parts. Raises NotReadyError."""
    if row is None:
        raise NotReadyError(
            Code.ROW_MISSING, f"There is no connector {uid} (CHAT4ALL_CHANNELS__UID); it waits for its row."
        )
    manifest = manifests.get(row.channel)
    if manifest is None:
        raise NotReadyError(Code.CHANNEL_NOT_INSTALLED, f"There is no channel {row.channel} in this image.")
    namespace, _, name = row.name.partition(".")
    resource = {
        "apiVersion": GROUP,
        "kind": "ChannelConnector",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**row.spec, "state": "Paused" if row.state in _STANDING else row.state},
    }
    try:
        valid = ChannelConnector.model_validate(resource)
        config = manifest.config.model_validate(valid.spec.config)
    except pydantic.ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
        raise NotReadyError(Code.ROW_INVALID, f"The row of {row.name} is not valid: {fields}.") from None
    return CheckedRow(row.state, valid, manifest, config)
