"""Ids. The same request always has the same id, so a repeat can be recognised wherever it turns up."""

import hashlib
import json
import uuid

import msgspec
import uuid_utils

_KEYED = uuid.UUID("5b1f2c3e-8f0a-5c57-9a3d-0f3f6f2a7c11")  # the namespace of ids made from Idempotency-Keys
_EFFECT = uuid.UUID("0c9d8a74-52b1-5f0e-8a77-3a1f4a9d2e60")  # the namespace of ids made from a position
_INBOX = uuid.UUID("c2a7d1b4-6f0e-5d8b-8a55-0d4b1f3e9a60")  # the namespace of inbox conversations' ids
_CONTACT = uuid.UUID("1b0f6a3e-94c7-5e21-b0a8-7c5e2d8f4a19")  # the namespace of contacts' names
_INBOUND = uuid.UUID("f3b8e0c1-7a25-5f4d-9c16-2e9d5a0b8c47")  # the namespace of ids of what people write on channels
_PREFIX = "contact-"


def new_id() -> str:
    """A fresh UUIDv7: unique, and increasing with time so that it is kind to an index."""
    return str(uuid_utils.uuid7())


def request_hash(method: str, path: str, body: bytes) -> str:
    """A hash of what a request asks for; two JSON bodies that differ in key order or white space are the same request.

    `body` may be empty. Raises msgspec.DecodeError when it is not JSON.
    """
    canonical = json.dumps(msgspec.json.decode(body), sort_keys=True, separators=(",", ":")) if body else ""
    return hashlib.sha256(f"{method}\x00{path}\x00{canonical}".encode("utf-8", "surrogatepass")).hexdigest()


def keyed_id(sender: str, key: str, digest: str) -> str:
    """The id of a request that came with an Idempotency-Key: UUIDv5 of who sent it, the key and `request_hash`."""
    return str(uuid.uuid5(_KEYED, json.dumps([sender, key, digest])))


def effect_id(position: int, what: str) -> str:
    """The id of something that a record caused: the same at every replay of the record.

    Records of different partitions may have the same position: `what` names what is of one partition only, or of one
    message.
    """
    return str(uuid.uuid5(_EFFECT, f"{position}:{what}"))


def inbox_id(connector: str, chat: str, username: str) -> str:
    """The id of a chat's conversation where nothing says which other is meant; another one where it is another user
    there now, who is not to see what was said before."""
    return str(uuid.uuid5(_INBOX, json.dumps([connector, chat, username])))


def contact_name(connector: str, external_id: str) -> str:
    """The username of somebody who wrote on a channel and is nobody's link."""
    return f"{_PREFIX}{uuid.uuid5(_CONTACT, json.dumps([connector, external_id])).hex[:20]}"


def is_contact(username: str) -> bool:
    """Whether it is such a one's."""
    return username.startswith(_PREFIX)


def inbound_id(connector: str, event_id: str) -> str:
    """The id of the record of a provider's event: the same however often it is told."""
    return str(uuid.uuid5(_INBOUND, json.dumps([connector, event_id])))
