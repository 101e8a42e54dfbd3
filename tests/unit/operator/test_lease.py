"""One operator acts at a time, as a Lease says; against a twin of the API server that keeps one Lease and refuses a
change of another version than it has."""

import asyncio
import copy
from typing import Any, cast

import pytest

from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.kinds import EVENT, LEASE, Kind
from chat4all_operator.lease import NAME, OperatorLease
from chat4all_operator.metrics import Metrics

SECONDS = 20.0  # a deadline, which only a fault reaches


class Twin:
    """What an API server does with Leases, and with events about them. `away`: it does not answer."""

    namespace = "team"

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.away = False
        self.events: list[str] = []
        self.before_write = lambda: None

    async def get(self, kind: Kind, name: str) -> dict[str, Any] | None:
        self._asked(kind, name)
        return copy.deepcopy(self.lease)

    async def create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        if kind is EVENT:
            self.events.append(manifest["reason"])
            return manifest
        self._asked(kind, manifest["metadata"]["name"])
        self.before_write()
        if self.lease is not None:
            raise ClusterError("create", 409, "AlreadyExists", "it exists")
        return self._keep(manifest, 1)

    async def replace(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        self._asked(kind, manifest["metadata"]["name"])
        self.before_write()
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if manifest["metadata"].get("resourceVersion") != version:
            raise ClusterError("update", 409, "Conflict", "the object has been modified")
        return self._keep(manifest, int(version) + 1)

    def _asked(self, kind: Kind, name: str) -> None:
        assert (kind, name) == (LEASE, NAME)
        if self.away:
            raise UnreachableError("no answer in time")

    def _keep(self, manifest: dict[str, Any], version: int) -> dict[str, Any]:
        self.lease = copy.deepcopy(manifest)
        self.lease["metadata"] |= {"resourceVersion": str(version), "uid": "1"}
        return self.lease


def operator(twin: Twin, holder: str) -> OperatorLease:
    return OperatorLease(cast("Cluster", twin), holder, Metrics())


def held_by(holder: object, **spec: object) -> dict[str, Any]:
    usual = {"holderIdentity": holder, "renewTime": "2020-01-01T00:00:00.000000Z"}
    return {"metadata": {"name": NAME, "resourceVersion": "7", "uid": "1"}, "spec": {**usual, **spec}}


async def until_held(lease: OperatorLease) -> None:
    async with asyncio.timeout(SECONDS):
        while not lease.held():
            await lease._turn()
            await asyncio.sleep(0.05)


async def test_the_first_acts_at_once_and_the_second_stands_by() -> None:
    twin = Twin()
    first, second = operator(twin, "c4a/one"), operator(twin, "c4a/two")
    assert not first.held()
    assert "not been asked for" in str(first.problem)
    for _ in range(2):
        await first._turn()
        await second._turn()
        assert (first.held(), second.held()) == (True, False)
    assert first.problem is None
    assert "c4a/one acts" in str(second.problem)
    assert twin.events == ["StandingBy"], "told once"


async def test_one_that_ends_lets_the_other_act_at_once() -> None:
    twin = Twin()
    first, second = operator(twin, "c4a/one"), operator(twin, "c4a/two")
    await first._turn()
    await second._turn()
    await first.release()
    assert not first.held()
    await second._turn()
    assert second.held()
    await first.release()
    assert second.held(), "what is somebody else's is not released"
    assert twin.lease is not None
    assert twin.lease["spec"]["holderIdentity"] == "c4a/two"


async def test_one_that_is_silent_is_replaced_after_its_time_and_not_before() -> None:
    """Its clock is not looked at: the time of its renewal is years ago."""
    twin = Twin()
    twin.lease = held_by("c4a/gone", leaseDurationSeconds=1)
    lease = operator(twin, "c4a/one")
    began = asyncio.get_running_loop().time()
    await until_held(lease)
    assert asyncio.get_running_loop().time() - began >= 1


async def test_one_that_renews_is_never_replaced() -> None:
    twin = Twin()
    lease = operator(twin, "c4a/one")
    for number in range(30):
        twin.lease = held_by("c4a/lives", leaseDurationSeconds=0.2, renewTime=f"2020-01-01T00:00:{number:02}.000000Z")
        await lease._turn()
        assert not lease.held()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("before", [None, {"metadata": {"name": NAME, "resourceVersion": "7"}}])
async def test_of_two_at_once_one_acts(before: dict[str, Any] | None) -> None:
    twin = Twin()
    twin.lease = before
    quicker, slower = operator(twin, "c4a/one"), operator(twin, "c4a/two")

    def is_overtaken() -> None:
        twin.before_write = lambda: None
        twin.lease = held_by("c4a/one", resourceVersion="8")
        twin.lease["metadata"]["resourceVersion"] = "8"

    twin.before_write = is_overtaken
    await slower._turn()
    await quicker._turn()
    assert (quicker.held(), slower.held()) == (True, False)


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": ""}, {"holderIdentity": None, "renewTime": "x"}])
async def test_one_that_somebody_made_by_hand_is_taken(spec: dict[str, Any] | None) -> None:
    twin = Twin()
    twin.lease = {"metadata": {"name": NAME, "resourceVersion": "7"}, "spec": spec}
    lease = operator(twin, "c4a/one")
    await lease._turn()
    assert lease.held()


async def test_one_that_was_replaced_acts_no_longer() -> None:
    twin = Twin()
    lease = operator(twin, "c4a/one")
    await lease._turn()
    assert lease.held()
    twin.lease = held_by("c4a/two")
    await lease._turn()
    assert not lease.held()


async def test_while_the_api_server_is_away_the_lease_is_kept_to_its_end_and_the_problem_said() -> None:
    twin = Twin()
    lease = operator(twin, "c4a/one")
    await lease._turn()
    twin.away = True
    await lease._turn()
    assert lease.held()
    assert "cannot be taken: no answer in time" in str(lease.problem)
    twin.away = False
    await lease._turn()
    assert lease.problem is None
