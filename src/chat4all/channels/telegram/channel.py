"""Calls to the Bot API, and what its updates mean."""

import hmac
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import AnyEvent
from chat4all.channels.kit.http import Answer, Client
from chat4all.channels.kit.port import Account, Page, Part, Post, Registration
from chat4all.channels.telegram import Config, Credentials, payloads, refusals, updates

T = TypeVar("T")

_WANTED: Final = ["message", "edited_message", "my_chat_member"]
_HEADER: Final = "x-telegram-bot-api-secret-token"
_UPDATES: Final = 100  # of one poll
_RECENT: Final = 300.0  # seconds
_SPARE: Final = 10.0  # seconds that a poll's answer may come late


class TelegramChannel:
    """See `chat4all.channels.kit.port.Channel`."""

    def __init__(self, client: Client, credentials: Credentials, config: Config) -> None:
        self._client = client
        token = credentials.bot_token.get_secret_value()
        self._path = f"/bot{token}/"
        secrets = (credentials.webhook_secret, credentials.webhook_secret_previous)
        # Made of the token where there is none: the same in every process, and nothing can be learned of the token.
        made = hmac.new(token.encode(), b"chat4all webhook secret", "sha256").hexdigest()
        self._secrets = [one.get_secret_value() for one in secrets if one is not None] or [made]
        self._parse_mode = config.parse_mode

    async def account(self) -> Account:
        """getMe."""
        me = await self._call("getMe", {}, payloads.User)
        return Account(str(me.id), f"@{me.username}")

    async def send(self, part: Part) -> str:
        """sendMessage; as plain text where the marks in it cannot be parsed."""
        body: dict[str, Any] = {"chat_id": int(part.chat), "text": part.text}
        if part.answers is not None:
            answers = {"message_id": int(part.answers), "allow_sending_without_reply": True}
            body["reply_parameters"] = answers
        return str((await self._write("sendMessage", body, payloads.Reference)).message_id)

    async def edit(self, chat: str, external_id: str, text: str) -> None:
        """editMessageText."""
        body = {"chat_id": int(chat), "message_id": int(external_id), "text": text}
        await self._write("editMessageText", body, msgspec.Raw)

    async def delete(self, chat: str, external_id: str) -> None:
        """deleteMessage, for 48 hours."""
        await self._call("deleteMessage", {"chat_id": int(chat), "message_id": int(external_id)}, bool)

    def verify(self, post: Post) -> None:
        """Its secret, compared in constant time; without one of them nothing is genuine."""
        given = post.headers.get(_HEADER, "").encode("utf-8", "replace")
        # All are compared, so that the time tells nothing of which.
        same = [hmac.compare_digest(given, secret.encode()) for secret in self._secrets]
        if not any(same):
            raise errors.NotGenuineError("The secret token is wrong.")

    def parse(self, body: bytes) -> Sequence[AnyEvent]:
        """One update."""
        try:
            raw = msgspec.json.decode(body)
            if not isinstance(raw, dict):
                raise errors.MalformedError("The body is no update.")
            return [updates.event(raw)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise errors.MalformedError("The body is no update.") from None

    async def poll(self, cursor: str, *, seconds: float) -> Page:
        """getUpdates; the cursor is the offset."""
        body = {"limit": _UPDATES, "timeout": int(seconds), "allowed_updates": _WANTED, "offset": int(cursor or 0)}
        found = await self._call("getUpdates", body, list[dict[str, Any]], seconds=seconds + _SPARE)
        newest = max((int(one["update_id"]) + 1 for one in found), default=int(cursor or 0))
        return Page([updates.event(one) for one in found], str(newest))

    async def register(self, url: str) -> None:
        """setWebhook with our secret, or deleteWebhook."""
        if not url:
            await self._call("deleteWebhook", {}, bool)
            return
        body = {"url": url, "secret_token": self._secrets[0], "allowed_updates": _WANTED}
        await self._call("setWebhook", body, bool)

    async def registration(self) -> Registration:
        """getWebhookInfo."""
        info = await self._call("getWebhookInfo", {}, payloads.WebhookInfo)
        recent = info.last_error_date > time.time() - _RECENT  # it says for ever what was once wrong
        return Registration(info.url, info.pending_update_count, info.last_error_message if recent else "")

    async def _write(self, method: str, body: dict[str, Any], result: type[T]) -> T:
        """A call that carries a text."""
        marks = {} if self._parse_mode is None else {"parse_mode": self._parse_mode}
        done: T
        try:
            done = await self._call(method, {**body, **marks}, result)
        except errors.RejectedError as error:
            if not marks or "can't parse entities" not in error.sentence:
                raise
            done = await self._call(method, body, result)
        return done

    async def _call(self, method: str, body: object, result: Any, *, seconds: float | None = None) -> Any:
        """The result of a call. Raises ChannelError."""
        response = await self._client.post(self._path + method, body, seconds=seconds)
        try:
            answer = msgspec.json.decode(response.body, type=payloads.Answer)
            if answer.ok:
                return msgspec.json.decode(answer.result, type=result)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _without_json(response) from None
        raise refusals.meaning(response.status, answer)


def _without_json(response: Answer) -> errors.ChannelError:
    """An answer that is not the Bot API's: a proxy's page, or one that was cut. What became of the call is unknown."""
    return errors.UnknownOutcomeError(f"Telegram answered {response.status} with what is not its JSON.")
