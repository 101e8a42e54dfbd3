"""The methods that tell what a bot is, and where its updates go."""

from typing import Any

import msgspec

from chat4all_simulator.telegram.methods.call import Call, Described


def get_me(call: Call) -> dict[str, Any]:
    """Answer getMe with the bot's User."""
    user = msgspec.to_builtins(call.bot.user)
    return {
        "id": user["id"],
        "is_bot": True,
        "first_name": user["first_name"],
        "username": user["username"],
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
    }


def set_webhook(call: Call) -> Described:
    """Answer setWebhook with true and what was done. Raises RefusedError."""
    return Described(True, call.setting.set(call.bot, call.parameters))


def delete_webhook(call: Call) -> Described:
    """Answer deleteWebhook with true and what was done."""
    return Described(True, call.setting.delete(call.bot, call.parameters))


def get_webhook_info(call: Call) -> dict[str, Any]:
    """Answer getWebhookInfo with the bot's WebhookInfo."""
    return dict(call.setting.info(call.bot))


async def get_updates(call: Call) -> list[msgspec.Raw]:
    """Answer getUpdates with the updates that wait for the bot. Raises RefusedError."""
    return await call.polling.updates(call.bot, call.parameters)
