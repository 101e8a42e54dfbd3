"""The channel calls the Bot API, and turns its updates into events."""

import hmac
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import AnyEvent
from chat4all.channels.kit.http import Answer, ProviderClient
from chat4all.channels.kit.port import Account, Page, Part, Post, WebhookStatus
from chat4all.channels.telegram import Config, Credentials, payloads, refusals, updates

T = TypeVar("T")

_ALLOWED_UPDATES: Final = ["message", "edited_message", "my_chat_member"]
_WEBHOOK_PROOF_HEADER: Final = "x-telegram-bot-api-secret-token"
_MAX_POLLED_UPDATES: Final = 100  # by one poll
_RECENT_ERROR_SECONDS: Final = 300.0
_SPARE_POLL_SECONDS: Final = 10.0  # that a poll's answer may come late


class TelegramChannel:
    """The channel of one bot. Implements `chat4all.channels.kit.port.Channel`."""

    def __init__(self, client: ProviderClient, credentials: Credentials, config: Config) -> None:
        self._client = client
        token = credentials.bot_token.get_secret_value()
        self._path = f"/bot{token}/"
        secrets = (credentials.webhook_secret, credentials.webhook_secret_previous)
        # Without a secret of its own it is made from the token: it is the same in every process, and does not give away
        # the token.
        derived = hmac.new(token.encode(), b"chat4all webhook secret", "sha256").hexdigest()
        self._secrets = [one.get_secret_value() for one in secrets if one is not None] or [derived]
        self._parse_mode = config.parse_mode

    async def account(self) -> Account:
        """Return the bot's account, by getMe."""
        me = await self._call("getMe", {}, payloads.User)
        return Account(str(me.id), f"@{me.username}")

    async def send(self, part: Part) -> str:
        """Send by sendMessage, as plain text where the marks in it cannot be parsed. Return the message's id."""
        body: dict[str, Any] = {"chat_id": int(part.chat), "text": part.text}
        if part.answers is not None:
            answers = {"message_id": int(part.answers), "allow_sending_without_reply": True}
            body["reply_parameters"] = answers
        return str((await self._write("sendMessage", body, payloads.Reference)).message_id)

    async def edit(self, chat: str, external_id: str, text: str) -> None:
        """Replace a message's text by editMessageText."""
        body = {"chat_id": int(chat), "message_id": int(external_id), "text": text}
        await self._write("editMessageText", body, msgspec.Raw)

    async def delete(self, chat: str, external_id: str) -> None:
        """Delete a message by deleteMessage, which Telegram allows for 48 hours."""
        await self._call("deleteMessage", {"chat_id": int(chat), "message_id": int(external_id)}, bool)

    def verify(self, post: Post) -> None:
        """Compare the header's secret with ours in constant time. Raises NotGenuineError where it is none of them."""
        secret_given = post.headers.get(_WEBHOOK_PROOF_HEADER, "").encode("utf-8", "replace")
        # All are compared, so that the time does not tell which one it is.
        matches = [hmac.compare_digest(secret_given, secret.encode()) for secret in self._secrets]
        if not any(matches):
            raise errors.NotGenuineError("The secret token is wrong.")

    def parse(self, body: bytes) -> Sequence[AnyEvent]:
        """Return the event of the update in this body. Raises MalformedError."""
        try:
            raw = msgspec.json.decode(body)
            if not isinstance(raw, dict):
                raise errors.MalformedError("The body is not an update.")
            return [updates.event(raw)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise errors.MalformedError("The body is not an update.") from None

    async def poll(self, cursor: str, *, seconds: float) -> Page:
        """Return the next updates by getUpdates. The cursor is its offset."""
        body = {
            "limit": _MAX_POLLED_UPDATES,
            "timeout": int(seconds),
            "allowed_updates": _ALLOWED_UPDATES,
            "offset": int(cursor or 0),
        }
        raws = await self._call("getUpdates", body, list[dict[str, Any]], seconds=seconds + _SPARE_POLL_SECONDS)
        offset = max((int(one["update_id"]) + 1 for one in raws), default=int(cursor or 0))
        return Page([updates.event(one) for one in raws], str(offset))

    async def register(self, url: str) -> None:
        """Let updates come to this URL by setWebhook with our secret, or to none by deleteWebhook."""
        if not url:
            await self._call("deleteWebhook", {}, bool)
            return
        body = {"url": url, "secret_token": self._secrets[0], "allowed_updates": _ALLOWED_UPDATES}
        await self._call("setWebhook", body, bool)

    async def registration(self) -> WebhookStatus:
        """Return where updates go and what is wrong with that, by getWebhookInfo."""
        info = await self._call("getWebhookInfo", {}, payloads.WebhookInfo)
        # Telegram repeats the last error for ever, long after what it could not deliver has come.
        recent = info.last_error_date > time.time() - _RECENT_ERROR_SECONDS
        problem = info.last_error_message if recent and info.pending_update_count else ""
        return WebhookStatus(info.url, info.pending_update_count, problem)

    async def _write(self, method: str, body: dict[str, Any], result: type[T]) -> T:
        """Call a method with a text, once more without marks where they cannot be parsed. Return the result."""
        marks = {} if self._parse_mode is None else {"parse_mode": self._parse_mode}
        answer: T
        try:
            answer = await self._call(method, {**body, **marks}, result)
        except errors.RejectedError as error:
            if not marks or "can't parse entities" not in error.sentence:
                raise
            answer = await self._call(method, body, result)
        return answer

    async def _call(self, method: str, body: object, result: Any, *, seconds: float | None = None) -> Any:
        """Call a method, and return its result as this type. Raises ChannelError."""
        response = await self._client.post(self._path + method, body, seconds=seconds)
        try:
            answer = msgspec.json.decode(response.body, type=payloads.Answer)
            if answer.ok:
                return msgspec.json.decode(answer.result, type=result)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _without_json(response) from None
        raise refusals.meaning(response.status, answer)


def _without_json(response: Answer) -> errors.ChannelError:
    """Return the error for an answer that is not the Bot API's: a proxy's page, or one that was cut off. What became of
    the call is unknown."""
    return errors.UnknownOutcomeError(f"Telegram answered {response.status} without valid JSON.")
