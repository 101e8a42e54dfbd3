"""The methods for reactions, and for buttons, which nobody can press yet."""

from typing import Any, Final

import msgspec

from chat4all_simulator.telegram.methods import chats
from chat4all_simulator.telegram.methods.call import Call
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.strict import FieldError, text_of

_REACTION_KINDS: Final = {"emoji", "custom_emoji", "paid"}


def react(call: Call) -> bool:
    """Answer setMessageReaction with true; the reaction is checked, and shown nowhere. Raises RefusedError."""
    source = call.parameters.text("reaction")
    try:
        reactions = msgspec.json.decode(source) if source else []
    except (msgspec.DecodeError, RecursionError):
        raise bad("can't parse reaction types JSON object") from None
    if not isinstance(reactions, list):
        raise bad("expected an Array of ReactionType")
    for one in reactions:
        _check(one)
    chat = chats.writable(call)
    if call.parameters.integer("message_id") not in call.world.dialog(call.bot.user.id, chat.id).messages:
        raise bad("message to react not found")
    chats.check_reachable(call, chat)
    return True


def answer_callback(_: Call) -> bool:
    """Refuse answerCallbackQuery, since no phone here can press a button. Raises RefusedError."""
    raise bad("query is too old and response timeout expired or query ID is invalid")


def _check(reaction: Any) -> None:
    reason = "can't parse ReactionType"
    if not isinstance(reaction, dict):
        raise bad(f"{reason}: expected an Object")
    try:
        kind = text_of(reaction, "type")
    except FieldError as error:
        raise bad(f"{reason}: {error}") from None
    if kind not in _REACTION_KINDS:
        raise bad(f"{reason}: invalid reaction type specified")
