"""The directory's connectors on SQL: their rows, and what their pods report."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from chat4all.directory.channels import FRESH_REPORT_MS, ConnectorRow, Report
from chat4all.directory.port import AlreadyThereError
from chat4all.directory.sql import tables
from chat4all.directory.sql.engine import Sql

_connectors, _reports = tables.connectors, tables.connector_reports
_MAX_IDS: Final = 500  # in one query; for more, all are read


class SqlConnectors:
    """The tables of connectors. Implements that part of `chat4all.directory.channels.ChannelDirectory`.

    `clock`: seconds since 1970.
    """

    def __init__(self, sql: Sql, *, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    async def put_connector(self, connector: ConnectorRow) -> None:
        def work(connection: sa.Connection) -> None:
            same = sa.or_(_connectors.c.uid == connector.uid, _connectors.c.name == connector.name)
            known = [_connector(row) for row in connection.execute(sa.select(_connectors).where(same))]
            for one in known:
                one.check_change(connector)
            new = _values(connector)
            if not known:
                connection.execute(sa.insert(_connectors).values(new | {"status": json.dumps({})}))
            elif _values(known[0]) != new | {"account": known[0].account}:
                del new["account"]
                connection.execute(sa.update(_connectors).where(_connectors.c.uid == known[0].uid), new)
                if known[0].uid != connector.uid:
                    connection.execute(sa.delete(_reports).where(_reports.c.uid == known[0].uid))

        try:
            await self._sql.write(work)
        except sa.exc.IntegrityError as error:  # another one of this name came at the same moment
            raise AlreadyThereError(f"Another connector is called {connector.name}") from error

    async def set_state(self, uid: str, state: str, *, at: int | None = None) -> None:
        same_row = _connectors.c.uid == uid

        def work(connection: sa.Connection) -> None:
            row = connection.execute(sa.select(_connectors.c.spec).where(same_row).with_for_update()).first()
            if row is not None:
                spec = json.dumps({**json.loads(row.spec), "state": state})
                connection.execute(sa.update(_connectors).where(same_row).values(spec=spec, disabled_at=at))

        await self._sql.write(work)

    async def connectors(self) -> list[ConnectorRow]:
        return [_connector(row) for row in await self._sql.all(sa.select(_connectors).order_by(_connectors.c.name))]

    async def connector(self, uid: str) -> ConnectorRow | None:
        rows = await self._sql.all(sa.select(_connectors).where(_connectors.c.uid == uid))
        return _connector(rows[0]) if rows else None

    async def remove_connector(self, uid: str) -> bool:
        def work(connection: sa.Connection) -> bool:
            connection.execute(sa.delete(_reports).where(_reports.c.uid == uid))
            return connection.execute(sa.delete(_connectors).where(_connectors.c.uid == uid)).rowcount == 1

        return await self._sql.write(work)

    async def claim_account(self, uid: str, account: str) -> bool:
        free = sa.or_(_connectors.c.account.is_(None), _connectors.c.account == account)
        claim = sa.update(_connectors).where(_connectors.c.uid == uid, free).values(account=account)
        try:
            return await self._sql.write(lambda c: c.execute(claim).rowcount) == 1
        except sa.exc.IntegrityError:
            return False

    async def report(self, uid: str, report: Report, status: Mapping[str, Any]) -> None:
        old = int(self._clock() * 1000) - FRESH_REPORT_MS
        of_pod = sa.and_(_reports.c.uid == uid, _reports.c.pod == report.pod)
        values = {"at": report.at, "role": report.role, "report": msgspec.json.encode(report).decode()}

        def work(connection: sa.Connection) -> None:
            row = _connectors.c.uid == uid
            if connection.execute(sa.select(_connectors.c.uid).where(row)).first() is None:
                return
            pods = connection.execute(sa.select(_reports.c.pod, _reports.c.at, _reports.c.role).where(
                _reports.c.uid == uid)).all()  # fmt: skip
            if report.pod in {one.pod for one in pods}:
                connection.execute(sa.update(_reports).where(of_pod), values)
            else:
                connection.execute(sa.insert(_reports).values(uid=uid, pod=report.pod, **values))
            others = [one for one in pods if one.pod != report.pod]
            if any(one.at < old for one in others):
                connection.execute(sa.delete(_reports).where(_reports.c.uid == uid, _reports.c.at < old))
            if report.role == "receives" or not any(one.role == "receives" and one.at >= old for one in others):
                connection.execute(sa.update(_connectors).where(row).values(status=json.dumps(status)))

        await self._sql.write(work)

    async def reports(self, uids: Collection[str], *, since: int) -> dict[str, list[Report]]:
        found: dict[str, list[Report]] = {uid: [] for uid in uids}
        if not uids:
            return found
        query = sa.select(_reports.c.uid, _reports.c.report).where(_reports.c.at >= since)
        if len(uids) <= _MAX_IDS:
            query = query.where(_reports.c.uid.in_(uids))
        for row in await self._sql.all(query.order_by(_reports.c.uid, _reports.c.pod)):
            if row.uid in found:
                found[row.uid].append(msgspec.json.decode(row.report, type=Report))
        return found

    async def forget_reports(self, *, before: int) -> None:
        await self._sql.write(lambda c: c.execute(sa.delete(_reports).where(_reports.c.at < before)))


def _values(connector: ConnectorRow) -> dict[str, Any]:
    """Return its columns but the status, which only its pods write. Keys are sorted, so that the same is equal."""
    values = msgspec.structs.asdict(connector) | {"spec": json.dumps(connector.spec, sort_keys=True)}
    del values["status"]
    return values


def _connector(row: sa.Row[Any]) -> ConnectorRow:
    values = row._asdict()
    return ConnectorRow(**values | {name: json.loads(values[name]) for name in ("spec", "status")})
