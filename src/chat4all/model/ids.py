"""Ids are made here. The same request always has the same id, so a repeat can be recognised wherever it turns up."""

import hashlib
import json
import uuid

import msgspec
import uuid_utils

_KEYED_NAMESPACE = uuid.UUID("5b1f2c3e-8f0a-5c57-9a3d-0f3f6f2a7c11")  # of ids made from Idempotency-Keys
_EFFECT_NAMESPACE = uuid.UUID("0c9d8a74-52b1-5f0e-8a77-3a1f4a9d2e60")  # of ids made from a position
_INBOX_NAMESPACE = uuid.UUID("c2a7d1b4-6f0e-5d8b-8a55-0d4b1f3e9a60")
_CONTACT_NAMESPACE = uuid.UUID("1b0f6a3e-94c7-5e21-b0a8-7c5e2d8f4a19")
_INBOUND_NAMESPACE = uuid.UUID("f3b8e0c1-7a25-5f4d-9c16-2e9d5a0b8c47")
_CONTACT_PREFIX = "contact-"


def new_id() -> str:
    """Return a fresh UUIDv7. It is unique, and grows with time, which suits an index."""
    return str(uuid_utils.uuid7())


def request_hash(method: str, path: str, body: bytes) -> str:
    """Return a hash of what a request asks for. JSON bodies that differ in key order or white space only have the same
    hash.

    `body` may be empty. Raises msgspec.DecodeError when it is not JSON.
    """
    canonical = json.dumps(msgspec.json.decode(body), sort_keys=True, separators=(",", ":")) if body else ""
    return hashlib.sha256(f"{method}\x00{path}\x00{canonical}".encode("utf-8", "surrogatepass")).hexdigest()


def keyed_id(sender: str, key: str, digest: str) -> str:
    """Return the id of a request that came with an Idempotency-Key: UUIDv5 of its sender, the key and
    `request_hash`."""
    return str(uuid.uuid5(_KEYED_NAMESPACE, json.dumps([sender, key, digest])))


def effect_id(position: int, what: str) -> str:
    """Return the id of something that a record caused. It is the same at every replay of the record.

    Records of different partitions may have the same position, so `what` has to name something that belongs to one
    partition or one message only.
    """
    return str(uuid.uuid5(_EFFECT_NAMESPACE, f"{position}:{what}"))


def inbox_id(connector: str, chat: str, username: str) -> str:
    """Return the id of a chat's inbox conversation, for messages that belong to no other. When the chat becomes another
    user's, the id is another: they must not see the earlier messages."""
    return str(uuid.uuid5(_INBOX_NAMESPACE, json.dumps([connector, chat, username])))


def contact_name(connector: str, external_id: str) -> str:
    """Return the username of the contact for a person who wrote on a channel and is linked to no user."""
    return f"{_CONTACT_PREFIX}{uuid.uuid5(_CONTACT_NAMESPACE, json.dumps([connector, external_id])).hex[:20]}"


def is_contact(username: str) -> bool:
    """Return whether this is the username of a contact."""
    return username.startswith(_CONTACT_PREFIX)


def inbound_id(connector: str, event_id: str) -> str:
    """Return the id of the record of a provider's event. It is the same however often the event comes."""
    return str(uuid.uuid5(_INBOUND_NAMESPACE, json.dumps([connector, event_id])))
