"""The shape of a channel's test tables, which stand in its folder: `tests/cases.py` and `tests/fixtures/*.json`.

One suite runs every channel's (chat4all.channels.testing.conformance): a new channel gets it by having tables.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from chat4all.channels.kit.errors import ChannelError
from chat4all.channels.kit.events import AnyEvent


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """What a provider sends, a file of `fixtures`, and what it means: `events`, or `error` where it means nothing.

    `headers`: of the request; `genuine`: whether they prove that it comes from the provider.
    """

    name: str
    fixture: str
    events: tuple[AnyEvent, ...] = ()
    error: type[ChannelError] | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    genuine: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class ExpectedRequest:
    """A request that a provider gets: its path without what is secret, and its body."""

    path: str
    body: Any


@dataclasses.dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A provider's answer. `cut`: so much of it arrives, then the line is gone."""

    status: int
    body: Any
    cut: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """A call of the channel, what it requests of the provider, what that answers, and what comes of it.

    `method`: of the channel, with its `arguments` and `options`; `requests`: all of them, in order, or none where that
    is not what the case is about; `attributes`: what the error says beside its kind; `config`: beside the tables'.
    """

    name: str
    method: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    requests: tuple[ExpectedRequest, ...] = ()
    answers: tuple[ProviderAnswer, ...] = ()
    result: Any = None
    error: type[ChannelError] | None = None
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
