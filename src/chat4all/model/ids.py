"""Ids. The same request always has the same id, so a repeat can be recognised wherever it turns up."""

import hashlib
import json
import uuid

import msgspec
import uuid_utils

_KEYED = uuid.UUID("5b1f2c3e-8f0a-5c57-9a3d-0f3f6f2a7c11")  # the namespace of ids made from Idempotency-Keys
_EFFECT = uuid.UUID("0c9d8a74-52b1-5f0e-8a77-3a1f4a9d2e60")  # the namespace of ids made from a position


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
    """The id of something that a record caused: the same at every replay of the record."""
    return str(uuid.uuid5(_EFFECT, f"{position}:{what}"))
