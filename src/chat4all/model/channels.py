"""Channels as the rest of the system knows them: names that stand for them, and what each can do."""

from collections.abc import Mapping
from typing import Final

import msgspec

ALL: Final = "all"  # on every channel on which the recipient has a link
APP: Final = "app"  # on no channel: every message is in the app anyway


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An installed channel offers these capabilities.

    `max_text`: length of one message, in `unit`; `receipts`: the states that it reports beside sent; `identifier`: a
    regular expression for the ids of people there, which `identifier_hint` says in words; `invite`: an address that
    takes a person to the bot with a code, with {account} and {code} in it, or "".
    """

    name: str
    title: str
    max_text: int
    unit: str
    edits: bool
    deletes: bool
    quotes: bool
    receipts: tuple[str, ...]
    identifier: str
    identifier_hint: str
    invite: str = ""


Channels = Mapping[str, Offered]
