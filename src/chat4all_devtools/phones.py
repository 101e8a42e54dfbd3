"""The simulator's phones and faults, as the demo's story uses them: its control API."""

from typing import Any, Self

import httpx

from chat4all.client import AnswerError
from chat4all.connectors.simulator import BOT


class Phones:
    """Of the simulator at this address. Every method raises AnswerError where it is refused."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/control", timeout=10, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def make(self, name: str) -> int:
        """A phone, which may be there; its number."""
        made = await self._ask("PUT", f"/telegram/phones/{name}", {"first_name": name.capitalize()})
        return int(made["id"])

    async def write(self, name: str, text: str, *, quoting: int | None = None) -> int:
        """Write to the bot, perhaps quoting a message of the chat; the new one's number."""
        body: dict[str, Any] = {"text": text} | ({} if quoting is None else {"reply_to": quoting})
        return int((await self._ask("POST", f"{self._chat(name)}/messages", body))["message_id"])

    async def shows(self, name: str) -> list[dict[str, Any]]:
        """What is on its screen, the oldest first."""
        found: list[dict[str, Any]] = await self._ask("GET", self._chat(name))
        return found

    async def fails(self, rule: dict[str, Any]) -> None:
        """Add a rule of faults to the simulator."""
        await self._ask("POST", "/faults", rule)

    async def calls(self, method: str, text: str) -> list[dict[str, Any]]:
        """The calls of this method with this text, of the simulator's log."""
        page = await self._ask("GET", f"/log?what=received&method={method}&limit=10000")
        return [one for one in page["entries"] if one.get("parameters", {}).get("text") == text]

    def _chat(self, name: str) -> str:
        return f"/telegram/phones/{name}/chats/{BOT}"

    async def _ask(self, verb: str, path: str, body: object = None) -> Any:
        try:
            answer = await self._http.request(verb, path, json=body)
        except httpx.TransportError as error:
            raise AnswerError(f"The simulator does not answer: {error}") from error
        if answer.status_code != 200:
            raise AnswerError(f"The simulator refuses {verb} {path}: {answer.text}", answer.status_code)
        return answer.json()
