"""What is registered, as it was last read: what is news, since when a connector has to wait, what was refused."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.objects import report

from chat4all_operator import registered
from chat4all_operator.metrics import Metrics
from chat4all_operator.observed import Refused, Row
from chat4all_operator.registered import Registered
from chat4all_operator.registry import RefusedError, Registry, RegistryError

SECONDS = 20.0  # a deadline, which only a fault reaches
REFUSED = Refused("invalid", "resource.spec.config", "It is wrong.")


class Answers(Registry):
    """The internal API answers what a test says."""

    def __init__(self) -> None:
        super().__init__("http://api.invalid", Path("none"), "operator/shop/c4a", Metrics())
        self.there: list[Row] = []
        self.error: Exception | None = None

    async def rows(self) -> Sequence[Row]:
        if self.error is not None:
            raise self.error
        return list(self.there)

    async def put(self, uid: str, resource: Mapping[str, Any], *, unregister: bool = False) -> Row:
        if self.error is not None:
            raise self.error
        return row(uid)


def row(uid: str = objects.UID, name: str = "support", **changed: Any) -> Row:
    usual = Row(uid, f"shop.{name}", "telegram", "operator/shop/c4a", {}, "Running", None, "1", (said(),))
    return usual._replace(**changed)


def said(**changed: Any) -> dict[str, Any]:
    return {"at": "2026-03-01T12:00:00Z", **report(**changed)}


class Known:
    """Registered, and which uids it has told of."""

    def __init__(self, away_seconds: float = 0.0) -> None:
        self.api = Answers()
        self.news: list[set[str]] = []
        self.registered = Registered(self.api, self.news.append, away_seconds=away_seconds)

    async def poll(self, *rows: Row) -> list[set[str]]:
        """What is news when these are the rows."""
        self.api.there, self.news[:] = list(rows), []
        await self.registered.poll()
        return list(self.news)


@pytest.fixture
async def known() -> Known:
    made = Known()
    assert await made.poll(row()) == [{objects.UID}]
    assert made.registered.seen
    return made


SAME = {
    "nothing": row(),
    "a report is repeated": row(reports=(said(at="2026-03-01T12:00:30Z"),)),
    "another end of a wait": row(reports=(said(rateLimitedUntil="2020-01-01T00:00:00Z"),)),
}
NEWS = {
    "a pod says something else": row(reports=(said(authenticated=False),)),
    "a pod is gone": row(reports=()),
    "a pod more": row(reports=(said(), said(pod="support-1"))),
    "another receives": row(reports=(said(role="sends"),)),
    "another state": row(state="Disabled"),
    "another spec": row(spec={"replicas": 2}),
    "its account": row(account="2"),
}


@pytest.mark.parametrize("label", SAME)
async def test_what_is_no_news(known: Known, label: str) -> None:
    assert await known.poll(SAME[label]) == []


@pytest.mark.parametrize("label", NEWS)
async def test_what_is_news(known: Known, label: str) -> None:
    assert await known.poll(NEWS[label]) == [{objects.UID}]


async def test_only_those_that_have_changed_are_told_of(known: Known) -> None:
    other = row(objects.OTHER_UID, "sales")
    assert await known.poll(row(), other) == [{objects.OTHER_UID}]
    assert await known.poll(other) == [{objects.UID}]


async def test_what_cannot_be_read_leaves_what_was_known_and_is_told_to_all(known: Known) -> None:
    known.api.error = RegistryError("APIUnreachable", "It does not answer.")
    assert await known.poll() == [{objects.UID}]
    assert (known.registered.problem, known.registered.reason) == ("It does not answer.", "APIUnreachable")
    assert known.registered.rows() == [row()]
    assert await known.poll() == [], "once"
    known.api.error = None
    assert await known.poll(row()) == [{objects.UID}]
    assert (known.registered.problem, known.registered.reason) == ("", "")


async def test_one_answer_that_does_not_come_says_nothing_yet() -> None:
    known = Known(away_seconds=3600.0)
    await known.poll(row())
    known.api.error = RegistryError("APIUnreachable", "It does not answer.")
    assert await known.poll() == []
    assert known.registered.problem == ""


async def test_rows_that_were_never_read_are_not_none() -> None:
    known = Known()
    known.api.error = RegistryError("EnginesUnavailable", "503")
    await known.poll()
    assert not known.registered.seen


async def test_since_when_it_has_to_wait(known: Known) -> None:
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    waits = row(reports=(said(rateLimitedUntil=later),))
    assert known.registered.limited_since(objects.UID) is None
    await known.poll(waits)
    since = known.registered.limited_since(objects.UID)
    assert since is not None
    await known.poll(waits)
    assert known.registered.limited_since(objects.UID) == since, "without interruption"
    assert await known.poll(row()) == [{objects.UID}], "that it is over is news"
    assert known.registered.limited_since(objects.UID) is None


async def test_a_row_is_found_by_its_uid_or_else_by_its_id(known: Known) -> None:
    assert known.registered.row(objects.UID, "shop.other") == row()
    assert known.registered.row(objects.OTHER_UID, "shop.support") == row()
    assert known.registered.row(objects.OTHER_UID, "shop.other") is None


async def test_what_was_refused_is_remembered_for_exactly_that(known: Known) -> None:
    known.api.error = RefusedError(REFUSED)
    await known.registered.put(objects.UID, {"a": 1}, unregister=False)
    assert known.registered.refused(objects.UID, {"a": 1}) == REFUSED
    assert known.registered.refused(objects.UID, {"a": 2}) is None
    assert known.registered.refused(objects.OTHER_UID, {"a": 1}) is None
    known.api.error = None
    await known.registered.put(objects.UID, {"a": 1}, unregister=False)
    assert known.registered.refused(objects.UID, {"a": 1}) is None


async def test_what_was_refused_is_asked_again_after_a_time(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be taken by then: an inbox's user was made, say."""
    monkeypatch.setattr(registered, "_ASK_AGAIN_SECONDS", 0.2)
    known.api.error = RefusedError(REFUSED)
    await known.registered.put(objects.UID, {"a": 1}, unregister=False)
    async with asyncio.timeout(SECONDS):
        while known.registered.refused(objects.UID, {"a": 1}) is not None:
            await asyncio.sleep(0.02)


async def test_a_row_that_was_taken_over_is_one_row(known: Known) -> None:
    await known.registered.put(objects.OTHER_UID, {}, unregister=False)
    assert [one.uid for one in known.registered.rows()] == [objects.OTHER_UID]


async def test_an_api_that_is_away_refuses_nothing(known: Known) -> None:
    known.api.error = RegistryError("APIUnreachable", "It does not answer.")
    with pytest.raises(RegistryError):
        await known.registered.put(objects.UID, {"a": 1}, unregister=False)
    assert known.registered.refused(objects.UID, {"a": 1}) is None


@pytest.mark.parametrize("ends", ["by another try", "by its time"])
async def test_what_failed_is_said_until_it_is_tried_again(
    known: Known, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """It may have been made all the same, or be wanted no longer: then nobody tries it again."""
    if ends == "by its time":
        monkeypatch.setattr(registered, "_TRY_AGAIN_SECONDS", 0.2)
    known.api.error = RegistryError("EnginesUnavailable", "503")
    with pytest.raises(RegistryError):
        await known.registered.put(objects.UID, {"a": 1}, unregister=False)
    found = known.registered.failure(objects.UID)
    assert found is not None
    assert (found.reason, found.message) == ("EnginesUnavailable", "503")
    assert known.registered.failure(objects.OTHER_UID) is None
    known.api.error = None
    if ends == "by another try":
        await known.registered.put(objects.UID, {"a": 1}, unregister=False)
        assert known.registered.failure(objects.UID) is None
    async with asyncio.timeout(SECONDS):
        while known.registered.failure(objects.UID) is not None:
            await asyncio.sleep(0.02)
