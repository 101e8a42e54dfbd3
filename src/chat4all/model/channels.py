"""Channels as the rest of the system knows them: names that stand for them, and what each can do."""

from collections.abc import Mapping
from typing import Final

import msgspec

ALL: Final = "all"  # wherever each recipient is linked to
APP: Final = "app"  # nowhere else: the app has it anyway


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An installed channel.

    `max_text`: of one message, in `unit`; `receipts`: the states that it reports beside sent; `identifier`: a regular
    expression of how people are called there, `identifier_hint` says it in words; `invite`: an address that takes a
    person to the bot with a code, with {account} and {code} in it, or nothing.
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
