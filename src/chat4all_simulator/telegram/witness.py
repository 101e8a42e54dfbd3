"""Calls and their answers in the log: what came, and what leaves."""

from typing import Any, Final, NamedTuple

import msgspec

from chat4all_simulator.faults.rules import CallFault
from chat4all_simulator.http.exchange import Answer, Manner, Request
from chat4all_simulator.http.fields import Fields
from chat4all_simulator.journal import Journal
from chat4all_simulator.telegram.secrets import HIDDEN, Secrets

NAME: Final = "telegram"


class Seen(NamedTuple):
    """A call in the log. `number`: its entry's."""

    number: int
    bot: str
    method: str
    chat: int | None


class Witness:
    """Tokens and secrets do not get into the log, wherever they stand."""

    def __init__(self, journal: Journal, secrets: Secrets) -> None:
        self._journal = journal
        self._secrets = secrets

    def received(self, request: Request, bot: str, method: str, chat: int | None, given: Fields) -> Seen:
        """A call has come."""
        if "secret_token" in given:
            given = {**given, "secret_token": HIDDEN}
        if "url" in given:
            given = {**given, "url": self._secrets.hidden(given["url"])}
        told: dict[str, Any] = {"provider": NAME, "connection": request.connection, "verb": request.verb}
        told |= {"bot": bot, "method": method, "chat": chat}
        try:
            number = self._journal.note("received", **told, parameters=given)
        except UnicodeEncodeError:  # a text that did not come as UTF-8
            shown = {name: text.encode("utf-8", "replace").decode() for name, text in given.items()}
            number = self._journal.note("received", **told, parameters=shown)
        return Seen(number, bot, method, chat)

    def answered(self, seen: Seen, answer: Answer, fault: CallFault | None = None) -> Answer:
        """An answer leaves; where less than all of it does, `manner` says so."""
        told: dict[str, Any] = {"call": seen.number, "bot": seen.bot, "method": seen.method, "chat": seen.chat}
        told["status"] = answer.status
        if fault is not None:
            told["fault"] = fault.fault
        if answer.manner is not None:
            told["manner"] = _manner(answer.manner)
        if answer.is_json and fault is None and b"url" not in answer.body:
            told["body"] = msgspec.Raw(answer.body)
        else:
            told["text"] = self._secrets.hidden(answer.body.decode("utf-8", "replace"))
        self._journal.note("answered", **told)
        return answer


def _manner(manner: Manner) -> str:
    if manner.silent:
        return "nothing is sent, the line stays open"
    if manner.cut_at is not None:
        return f"cut after {manner.cut_at} bytes"
    return f"held back {manner.after} s" if manner.after else "held back until overtaken"
