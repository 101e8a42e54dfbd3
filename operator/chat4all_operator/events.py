"""Events: what whoever describes an object is told beside its status."""

import datetime as dt
import logging
import secrets
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator.cluster import Cluster, ClusterError
from chat4all_operator.conditions import rfc3339
from chat4all_operator.kinds import EVENT, MANAGER, Kind
from chat4all_operator.plan import Note
from chat4all_operator.texts import cut

_logger = logging.getLogger(__name__)

_MAX_NOTE_CHARACTERS: Final = 1000
_MAX_NAME_CHARACTERS: Final = 200  # of the object's name in the event's


async def tell(cluster: Cluster, kind: Kind, metadata: Mapping[str, Any], note: Note) -> None:
    """Write an event about an object; one that cannot be written is only logged. Raises UnreachableError."""
    try:
        await cluster.create(EVENT, _event(cluster.namespace, kind, metadata, note))
    except ClusterError as error:
        _logger.warning("No event about %s: %s", metadata["name"], error)


def _event(namespace: str, kind: Kind, metadata: Mapping[str, Any], note: Note) -> dict[str, Any]:
    now = rfc3339(dt.datetime.now(dt.UTC))
    about = {
        "apiVersion": kind.api,
        "kind": kind.name,
        "name": metadata["name"],
        "namespace": namespace,
        "uid": metadata["uid"],
    }
    name = f"{metadata['name'][:_MAX_NAME_CHARACTERS].rstrip('.-')}.{secrets.token_hex(8)}"
    return {
        "apiVersion": EVENT.api,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about,
        "type": note.type,
        "reason": note.reason,
        "message": cut(" ".join(note.message.split()), _MAX_NOTE_CHARACTERS),
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
