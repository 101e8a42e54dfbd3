"""The methods that are answered, by name."""

from typing import Final

from chat4all_simulator.telegram.methods import account, chats, messages, reactions
from chat4all_simulator.telegram.methods.call import Method

METHODS: Final[dict[str, Method]] = {
    "getMe": account.get_me,
    "getUpdates": account.get_updates,
    "setWebhook": account.set_webhook,
    "deleteWebhook": account.delete_webhook,
    "getWebhookInfo": account.get_webhook_info,
    "sendMessage": messages.send,
    "editMessageText": messages.edit_text,
    "deleteMessage": messages.delete,
    "deleteMessages": messages.delete_many,
    "sendChatAction": chats.send_action,
    "getChat": chats.get,
    "setMessageReaction": reactions.react,
    "answerCallbackQuery": reactions.answer_callback,
}
BY_LOWER_NAME: Final = {name.lower(): name for name in METHODS}
