"""People who write all the time, and what they were answered."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
from tests.chaos.hub import Hub


@dataclasses.dataclass
class Writer:
    """One in one conversation. `keyed`: they send again what is not answered with 202, else they go on with the next.

    `statuses`: of all answers, nought where there was none; `refusals`: what came with a 503."""

    hub: Hub
    name: str
    token: str
    chat: str
    keyed: bool
    pace: float = 0.02  # seconds between posts
    answered: list[tuple[str, str]] = dataclasses.field(default_factory=list)  # message id, content
    statuses: Counter[int] = dataclasses.field(default_factory=Counter)
    refusals: list[httpx.Response] = dataclasses.field(default_factory=list)
    tried: set[str] = dataclasses.field(default_factory=set)

    async def write(self, over: asyncio.Event) -> None:
        """Until it is over."""
        number = 0
        async with httpx.AsyncClient(base_url=self.hub.url, trust_env=False, timeout=60) as http:
            while not over.is_set():
                content = f"{self.name} says {number}"
                self.tried.add(content)
                if await self._post(http, content) or not self.keyed:
                    number += 1
                await asyncio.sleep(self.pace)

    async def until(self, answers: Sequence[object], more: int) -> None:
        """Wait until there are so many more of these."""
        goal = len(answers) + more
        await self.hub.until(lambda: len(answers) >= goal, f"{more} more answers")

    async def _post(self, http: httpx.AsyncClient, content: str) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.keyed:
            headers["Idempotency-Key"] = content.replace(" ", "-")
        await self.hub.up.wait()
        try:
            answer = await http.post("/v1/messages", json={"chat_id": self.chat, "content": content}, headers=headers)
        except httpx.TransportError:
            self.statuses[0] += 1
            return False
        self.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            self.answered.append((answer.json()["message_id"], content))
        else:
            self.refusals.append(answer)
        return answer.status_code == 202


def lost_or_doubled(writers: list[Writer], rows: list[dict[str, Any]]) -> list[str]:
    """What of one conversation is not as it must be, a sentence each."""
    found = []
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        found.append("the seqs are not dense from 1")
    places = {row["message_id"]: row for row in rows}
    twice = [content for content, times in Counter(row["content"] for row in rows).items() if times > 1]
    found += [f"{content} is there twice" for content in twice]
    for writer in writers:
        there = [places.get(message) for message, _ in writer.answered]
        missing = [
            one for one, row in zip(writer.answered, there, strict=True) if row is None or row["content"] != one[1]
        ]
        found += [f"{one} was accepted, and is not there so" for one in missing]
        seqs = [row["seq"] for row in there if row is not None]
        if seqs != sorted(seqs):
            found.append(f"{writer.name}'s are in another order than their answers: {seqs}")
    unknown = {row["content"] for row in rows} - {content for writer in writers for content in writer.tried}
    return found + [f"nobody has said {content}" for content in unknown]
