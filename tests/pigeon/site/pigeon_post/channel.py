"""What a loft is told and tells."""

import hmac
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import AnyEvent, Person, Progress, Received, Unsupported
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.port import Account, Page, Part, Post, WebhookStatus
from chat4all.model.delivery import State
from pigeon_post import Config, Credentials

_STATES: Final[dict[str, Literal[State.DELIVERED, State.READ]]] = {"delivered": State.DELIVERED, "read": State.READ}


class Pigeon:
    """See `chat4all.channels.kit.port.Channel`."""

    def __init__(self, client: ProviderClient, credentials: Credentials, config: Config) -> None:
        self._client = client
        self._ring = credentials.ring.get_secret_value()
        self._config = config

    async def account(self) -> Account:
        """Whose loft it is."""
        told = await self._call("/loft", {})
        return Account(told["id"], told["name"])

    async def send(self, part: Part) -> str:
        """A letter."""
        return str((await self._call("/letters", {"to": part.chat, "text": part.text}))["id"])

    async def edit(self, chat: str, external_id: str, text: str) -> None:
        """A letter that is on its way cannot be changed."""
        raise errors.RejectedError("A letter stays as it is.", "Unsupported")

    async def delete(self, chat: str, external_id: str) -> None:
        """Nor called back."""
        raise errors.RejectedError("A letter stays as it is.", "Unsupported")

    def verify(self, post: Post) -> None:
        """By the ring."""
        if not hmac.compare_digest(post.headers.get("x-ring", "").encode(), self._ring.encode()):
            raise errors.NotGenuineError("The ring is wrong.")

    def parse(self, body: bytes) -> Sequence[AnyEvent]:
        """Several at once."""
        try:
            return [_event(one) for one in msgspec.json.decode(body, type=list[dict[str, Any]])]
        except (msgspec.DecodeError, KeyError, ValueError):
            raise errors.MalformedError("The body is no post.") from None

    async def poll(self, cursor: str, *, seconds: float) -> Page:
        """A loft is never asked."""
        raise errors.RejectedError("A loft is never asked.", "Unsupported")

    async def register(self, url: str) -> None:
        """Where it flies to."""
        await self._call("/home", {"url": url})

    async def registration(self) -> WebhookStatus:
        """Where it flies to now."""
        return WebhookStatus((await self._call("/where", {}))["url"], 0, "")

    async def _call(self, path: str, body: object) -> Any:
        answer = await self._client.post(path, body, headers={"X-Ring": self._ring})
        if answer.status == 401:
            raise errors.CredentialsError("The loft does not know this ring.")
        if answer.status == 429:
            raise errors.ThrottledError("The pigeons are tired.", 5.0)
        if answer.status == 404:
            raise errors.RecipientError("Nobody lives there.", "NotFound")
        if answer.status != 200:
            raise errors.UnknownOutcomeError(f"The loft answered {answer.status}.")
        try:
            return msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            raise errors.UnknownOutcomeError("The loft answered with what is no JSON.") from None


def _event(one: dict[str, Any]) -> AnyEvent:
    place: dict[str, Any] = {"event_id": one["id"], "chat": one["from"], "at": one["at"]}
    if one["kind"] == "letter":
        return Received(
            **place, sender=Person(external_id=one["from"], name=one["name"]), external_id=one["id"], text=one["text"]
        )
    if one["kind"] in _STATES:
        return Progress(**place, external_id=one["letter"], state=_STATES[one["kind"]])
    return Unsupported(**place, kind=one["kind"])
