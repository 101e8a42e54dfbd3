"""What a channel says of itself: pure data, read without loading its code."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Literal

import pydantic

from chat4all.channels.kit.port import Channel
from chat4all.model.channels import Offered
from chat4all.model.rates import Rate

Unit = Literal["utf16", "characters", "bytes"]


@dataclasses.dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can do.

    `max_text`: of one message, in `unit` (UTF-16 code units, code points, or UTF-8 bytes); `receipts`: the states it
    reports of itself, beside sent; `per_connector`, `per_chat`, `per_group`: how often something may be sent.
    """

    max_text: int
    unit: Unit
    per_connector: Rate
    per_chat: Rate
    per_group: Rate
    edits: bool = False
    deletes: bool = False
    quotes: bool = False
    receipts: frozenset[Literal["delivered", "read"]] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """A channel. `implementation`: "module:Class", loaded only where it runs.

    `credentials`: what its Secret holds; `config`: what its resource's spec.config may hold; `redact`: the names of
    credentials that must never be seen; `identifier`: a regular expression of how people are called there, said in
    words by `identifier_hint`; `invite`: an address that takes a person to the account, with {account} and {code}.
    """

    name: str
    title: str
    implementation: str
    credentials: type[pydantic.BaseModel]
    config: type[pydantic.BaseModel]
    capabilities: Capabilities
    redact: tuple[str, ...]
    identifier: str = r"[!-~]{1,128}"
    identifier_hint: str = "1 to 128 visible ASCII characters"
    invite: str = ""

    def offered(self) -> Offered:
        """What the rest of the system is told of it."""
        can = self.capabilities
        return Offered(
            name=self.name,
            title=self.title,
            max_text=can.max_text,
            unit=can.unit,
            edits=can.edits,
            deletes=can.deletes,
            quotes=can.quotes,
            receipts=tuple(sorted(can.receipts)),
            identifier=self.identifier,
            identifier_hint=self.identifier_hint,
            invite=self.invite,
        )

    def load(self) -> type[Channel]:
        """The channel's class. Raises ImportError, AttributeError where the manifest is wrong."""
        module, _, name = self.implementation.partition(":")
        loaded: type[Channel] = getattr(importlib.import_module(module), name)
        return loaded


Manifests = Mapping[str, Manifest]
