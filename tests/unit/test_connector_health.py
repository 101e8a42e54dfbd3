"""How a connector is, as its pods tell it: the table of reasons, what errors mean, and how often it is written."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from chat4all.channels.kit import errors
from chat4all.channels.kit.resource import ChannelConnector
from chat4all.connectors.follower import share
from chat4all.connectors.health import ConnectorStatus, Reporter, Trouble, trouble_of
from chat4all.directory.channels import ConnectorRow, NoSuchMembersError
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.engine import Sql
from chat4all.model.connector_reasons import CONNECTOR_REASONS, Code
from chat4all.model.errors import EngineUnavailableError


def test_every_code_is_one_that_a_condition_may_have_and_says_what_to_do() -> None:
    assert {*CONNECTOR_REASONS} == {*Code}
    for code, meaning in CONNECTOR_REASONS.items():
        assert re.fullmatch(r"[A-Z][A-Za-z]{1,63}", code)
        assert all(re.fullmatch(r"[A-Z].{2,498}\.", text) for text in meaning), code


ERRORS: dict[Code, list[Exception]] = {
    Code.TOKEN_REFUSED: [errors.CredentialsError("x")],
    Code.RATE_LIMITED: [errors.ThrottledError("x", 5.0)],
    Code.PROVIDER_UNREACHABLE: [errors.UnreachableError("x"), errors.UnknownOutcomeError("x")],
    Code.PROVIDER_REFUSED: [errors.TakenError("x"), errors.RejectedError("x"), errors.MovedError("x", "7")],
    Code.ENGINE_UNAVAILABLE: [EngineUnavailableError("log", "x")],
    Code.ROW_INVALID: [NoSuchMembersError(["nobody"])],
}


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_means(code: Code) -> None:
    assert {trouble_of(error).reason for error in ERRORS[code]} == {code}


@given(st.text(max_size=2000))
def test_a_sentence_is_bounded(text: str) -> None:
    status = ConnectorStatus()
    status.say(Trouble(Code.FAULT, text))
    assert 0 < len(status.report("pod", 1).sentence) <= 500


def test_a_status_is_what_older_releases_read() -> None:
    shown = ConnectorStatus(account="@x", mode="Polling", queue=3, limited_until=5.5).for_people(0)
    assert shown == {
        "account": "@x",
        "mode": "Polling",
        "problem": "",
        "queue": 3,
        "limited": 0,
        "unsupported": {},
        "registered": False,
        "at": "1970-01-01T00:00:00.000Z",
    }


class Pod:
    """A pod that reports to a real directory, and how often that was written."""

    def __init__(self, sql: Sql) -> None:
        self.now = 1000.0
        self.status = ConnectorStatus()
        self.written = 0
        self.reporter = Reporter(SqlChannels(sql), "u", "pod", clock=lambda: self.now)

        @sa.event.listens_for(sql._engine, "before_cursor_execute")
        def look(_: object, __: object, statement: str, *more: object) -> None:
            self.written += statement.startswith(("INSERT INTO connector_reports", "UPDATE connector_reports"))

    async def after(self, seconds: float, **changes: Any) -> int:
        """Tell how it is after so many seconds with these changes. Return how often that was written."""
        self.now += seconds
        for name, value in changes.items():
            setattr(self.status, name, value)
        before = self.written
        assert await self.reporter.tell(self.status)
        return self.written - before


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    sql = Sql.in_file(tmp_path / "directory.db")
    await sql.open()
    row = ConnectorRow(uid="u", name="local.x", channel="telegram", managed_by="file", spec={})
    await SqlChannels(sql).put_connector(row)
    yield Pod(sql)
    await sql.close()


async def test_it_is_written_when_it_changes_and_now_and_then(pod: Pod) -> None:
    steps: list[tuple[float, dict[str, Any], int]] = [
        (0, {}, 1),
        (1, {}, 0),
        (1, {"registered": True}, 1),
        (1, {"registered": True}, 0),
        (1, {"queue": 5}, 0),  # that changes all the time
        (3, {"queue": 6}, 1),
        (29, {}, 0),
        (1, {}, 1),
        (1, {"limited_until": 2000.0}, 1),
        (1, {"limited_until": 2001.0}, 0),
        (4, {"limited_until": 2004.0}, 1),
        (0, {"limited_until": None}, 1),
    ]
    assert [await pod.after(seconds, **changes) for seconds, changes, _ in steps] == [times for *_, times in steps]


async def test_what_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    sql = Sql.in_file(tmp_path / "directory.db")
    await sql.open()
    channels, status = SqlChannels(sql), ConnectorStatus()
    await channels.put_connector(ConnectorRow(uid="u", name="local.x", channel="t", managed_by="file", spec={}))
    await sql.close()
    reporter = Reporter(channels, "u", "pod")
    assert not await reporter.tell(status)
    channels._sql = again = Sql.in_file(tmp_path / "directory.db")
    assert await reporter.tell(status)
    assert len((await channels.reports(["u"], since=0))["u"]) == 1
    await again.close()


@pytest.mark.parametrize(("replicas", "among"), [(0, 1), (1, 1), (6, 6), (7, 6), (100, 6)])
def test_a_limit_is_divided_among_the_replicas_that_have_partitions(replicas: int, among: int) -> None:
    resource = {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": "x"},
        "spec": {
            "channel": "telegram",
            "credentialsSecretRef": {"name": "x"},
            "inbox": {"members": ["ana"]},
            "replicas": replicas,
        },
    }
    assert share(ChannelConnector.model_validate(resource)) == among
