"""Notes calls and their answers in the log: what came, and what leaves."""

from typing import Any, Final, NamedTuple

import msgspec

from chat4all_simulator.faults.rules import CallFault
from chat4all_simulator.http.exchange import Answer, Manner, Request
from chat4all_simulator.http.fields import Fields
from chat4all_simulator.journal import Journal
from chat4all_simulator.telegram.secrets import HIDDEN, Secrets

PROVIDER_NAME: Final = "telegram"


class Seen(NamedTuple):
    """A call that is in the log; `number`: its entry's."""

    number: int
    bot: str
    method: str
    chat: int | None


class Witness:
    """Notes calls and answers without tokens and secrets, wherever these stand."""

    def __init__(self, journal: Journal, secrets: Secrets) -> None:
        self._journal = journal
        self._secrets = secrets

    def received(self, request: Request, bot: str, method: str, chat: int | None, parameters: Fields) -> Seen:
        """Note that a call has come; return it as the log has it."""
        if "secret_token" in parameters:
            parameters = {**parameters, "secret_token": HIDDEN}
        if "url" in parameters:
            parameters = {**parameters, "url": self._secrets.hidden(parameters["url"])}
        fields: dict[str, Any] = {"provider": PROVIDER_NAME, "connection": request.connection, "verb": request.verb}
        fields |= {"bot": bot, "method": method, "chat": chat}
        try:
            number = self._journal.note("received", **fields, parameters=parameters)
        except UnicodeEncodeError:  # a text that did not come as UTF-8
            legible = {name: text.encode("utf-8", "replace").decode() for name, text in parameters.items()}
            number = self._journal.note("received", **fields, parameters=legible)
        return Seen(number, bot, method, chat)

    def answered(self, seen: Seen, answer: Answer, fault: CallFault | None = None) -> Answer:
        """Note that an answer leaves, and return it; where less than all of it does, `manner` says so."""
        fields: dict[str, Any] = {"call": seen.number, "bot": seen.bot, "method": seen.method, "chat": seen.chat}
        fields["status"] = answer.status
        if fault is not None:
            fields["fault"] = fault.fault
        if answer.manner is not None:
            fields["manner"] = _manner(answer.manner)
        if answer.is_json and fault is None and b"url" not in answer.body:
            fields["body"] = msgspec.Raw(answer.body)
        else:
            fields["text"] = self._secrets.hidden(answer.body.decode("utf-8", "replace"))
        self._journal.note("answered", **fields)
        return answer


def _manner(manner: Manner) -> str:
    if manner.silent:
        return "nothing is sent, the line stays open"
    if manner.cut_at is not None:
        return f"cut after {manner.cut_at} bytes"
    return f"held back {manner.after} s" if manner.after else "held back until overtaken"
