"""setWebhook, deleteWebhook, getWebhookInfo: where a bot's updates go.

https://core.telegram.org/bots/api#setwebhook, process_set_webhook_query of
https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp and WebhookActor.cpp beside it
"""

import ipaddress
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.mailbox import DEFAULT_KINDS, KINDS
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.polling import Polling
from chat4all_simulator.telegram.refusals import bad, too_many
from chat4all_simulator.telegram.secrets import Secret, Secrets
from chat4all_simulator.telegram.urls import complete, literal, split
from chat4all_simulator.telegram.webhooks import Webhooks
from chat4all_simulator.telegram.world import Bot, World

_CLOUD_PORTS: Final = (80, 88, 443, 8443)
_SECRET_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]*")


class Setting:
    """Sets the bots' webhooks. `strict`: as the cloud does; else as a local server: any scheme, port and address."""

    def __init__(self, world: World, secrets: Secrets, polling: Polling, webhooks: Webhooks, *, strict: bool) -> None:
        self._world = world
        self._secrets = secrets
        self._polling = polling
        self._webhooks = webhooks
        self._strict = strict
        self._last_set: dict[int, float] = {}  # by bot, on the monotonic clock in seconds

    def set(self, bot: Bot, parameters: Parameters) -> str:
        """Set or delete a webhook; return what was done, in the API's words.

        Raises RefusedError; the webhook before is forgotten even then.
        """
        url = parameters.text("url")
        if url:
            self._pace(bot)
        self._polling.allow(bot, parameters)
        if url == self._url(bot) and self._is_same(bot, parameters):
            return "Webhook is already set" if url else "Webhook is already deleted"
        if url:
            self._polling.end(bot, "terminated by setWebhook request")
        was_set = bool(bot.webhook.url)
        self._forget(bot)
        if parameters.truth("drop_pending_updates"):
            for update_id in bot.mailbox.ids():
                self._world.change(events.Delivered(bot.user.id, update_id, reason="dropped"))
        if not url:
            return "Webhook was deleted" if was_set else "Webhook is already deleted"
        self._check(url, parameters)
        secret = self._secrets.of(bot.user.id)
        self._secrets.put(bot.user.id, Secret(secret.token, parameters.text("secret_token"), url))
        hidden_url, address = self._secrets.hidden(url), parameters.text("ip_address")
        self._world.change(events.WebhookSet(bot.user.id, hidden_url, self._connections(parameters), address))
        self._webhooks.start(bot)
        return "Webhook was set"

    def delete(self, bot: Bot, parameters: Parameters) -> str:
        """Delete the webhook, as `set` does without a URL."""
        return self.set(bot, Parameters({**parameters.fields, "url": ""}))

    def info(self, bot: Bot) -> Mapping[str, Any]:
        """Return the Bot API's WebhookInfo of a bot."""
        self._world.expire(bot)
        webhook, failure = bot.webhook, bot.failure
        fields: dict[str, Any] = {"url": self._url(bot), "has_custom_certificate": False}
        fields["pending_update_count"] = len(bot.mailbox)
        if failure is not None:
            fields |= {"last_error_date": failure.date, "last_error_message": failure.message}
        if webhook.url:
            fields["max_connections"] = webhook.max_connections
            address = webhook.ip_address or literal(urlsplit(complete(webhook.url)).hostname or "")
            if address:
                fields["ip_address"] = address
        if bot.mailbox.allowed != DEFAULT_KINDS:
            fields["allowed_updates"] = [kind for kind in KINDS if kind in bot.mailbox.allowed]
        return fields

    def _url(self, bot: Bot) -> str:
        """Return the webhook's URL as it was set, whole; empty if there is none."""
        return self._secrets.of(bot.user.id).url if bot.webhook.url else ""

    def _pace(self, bot: Bot) -> None:
        now = time.monotonic()
        if now - self._last_set.get(bot.user.id, -1.0) < 1.0:
            raise too_many(1)
        self._last_set[bot.user.id] = now

    def _connections(self, parameters: Parameters) -> int:
        maximum = 100 if self._strict else 100_000
        return min(max(parameters.integer("max_connections", 40 if self._strict else 100), 1), maximum)

    def _is_same(self, bot: Bot, parameters: Parameters) -> bool:
        if not bot.webhook.url:
            return not parameters.truth("drop_pending_updates")
        return (
            not parameters.truth("drop_pending_updates")
            and self._connections(parameters) == bot.webhook.max_connections
            and parameters.text("secret_token") == self._secrets.of(bot.user.id).secret_token
            and parameters.text("ip_address") == bot.webhook.ip_address
        )

    def _forget(self, bot: Bot) -> None:
        self._webhooks.end(bot)
        if bot.webhook.url:
            self._secrets.put(bot.user.id, Secret(self._secrets.of(bot.user.id).token))
            self._world.change(events.WebhookSet(bot.user.id, ""))

    def _check(self, url: str, parameters: Parameters) -> None:
        parts, port = split(url)
        secret = parameters.text("secret_token")
        if len(secret.encode()) > 256:
            raise bad("secret token is too long")
        if not _SECRET_TOKEN.fullmatch(secret):
            raise bad("secret token contains unallowed characters")
        if self._strict:
            if parts.scheme == "https" and port not in _CLOUD_PORTS:
                raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
            if parts.scheme == "http":
                raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        self._check_address(parameters.text("ip_address") or literal(parts.hostname or ""))

    def _check_address(self, address: str) -> None:
        if not address:
            return
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise bad("bad webhook: Invalid IP address specified") from None
        if self._strict and parsed.version == 6:
            raise bad("bad webhook: IPv6-only addresses are not allowed")
        if self._strict and not parsed.is_global:
            raise bad(f"bad webhook: IP address {parsed} is reserved")
