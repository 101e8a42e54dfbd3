"""reply_parameters: which message is answered, and which part of it is quoted."""

from typing import Any, NamedTuple

import msgspec

from chat4all_simulator.telegram.methods import chats
from chat4all_simulator.telegram.methods.call import Call
from chat4all_simulator.telegram.objects import Chat, Message, Quote
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.strict import FieldError, integer, text_of, truth
from chat4all_simulator.telegram.text.marked import units


class Wanted(NamedTuple):
    """Which message is to be answered, 0 for none. `optional`: send the text even if that message is not there."""

    message_id: int = 0
    optional: bool = False
    quote: str = ""
    position: int = 0
    chat: str = ""  # the id of the message's chat, if it is another one


def read(parameters: Parameters) -> Wanted:
    """Return what a call wants to answer. Raises RefusedError."""
    source = parameters.text("reply_parameters")
    if not source:
        optional = parameters.truth("allow_sending_without_reply")
        return Wanted(max(parameters.integer("reply_to_message_id"), 0), optional)
    value = decoded(source, "reply parameters JSON object", "reply parameters")
    if not value:
        return Wanted()
    try:
        message_id = integer(value, "message_id")
        position = integer(value, "quote_position") if "quote_position" in value else 0
        quote = text_of(value, "quote", required=False)
        optional = truth(value, "allow_sending_without_reply")
        return Wanted(max(message_id, 0), optional, quote, position, text_of(value, "chat_id", required=False))
    except FieldError as error:
        raise bad(str(error)) from None


def found(call: Call, chat: Chat, wanted: Wanted) -> Message | None:
    """Return the message that is answered, itself without what it answers; None for none. Raises RefusedError."""
    if not wanted.message_id:
        return None
    if wanted.chat and wanted.chat != str(chat.id):
        chat = chats.named(call, wanted.chat)
    message = call.world.dialog(call.bot.user.id, chat.id).messages.get(wanted.message_id)
    if message is None:
        if wanted.optional:
            return None
        raise bad("message to be replied not found")
    if wanted.chat and wanted.chat != call.parameters.text("chat_id"):
        return None  # an external reply, of which the simulator tells nothing more
    return msgspec.structs.replace(message, reply_to_message=None, quote=None)


def quoted(message: Message | None, wanted: Wanted) -> Quote | None:
    """Return the part that is quoted, None for none. Raises RefusedError."""
    if message is None or not wanted.quote:
        return None
    places = [i for i in range(len(message.text)) if message.text.startswith(wanted.quote, i)]
    if not places:
        raise bad("QUOTE_TEXT_INVALID")
    nearest = min((units(message.text[:i]) for i in places), key=lambda at: abs(at - wanted.position))
    return Quote(wanted.quote, nearest, is_manual=True)


def decoded(source: str, document: str, thing: str) -> dict[str, Any]:
    """Decode an object of JSON; `document`, `thing`: what the API calls it. Raises RefusedError."""
    try:
        value = msgspec.json.decode(source)
    except (msgspec.DecodeError, RecursionError):
        raise bad(f"can't parse {document}") from None
    if not isinstance(value, dict):
        raise bad(f"object expected as {thing}")
    return value
