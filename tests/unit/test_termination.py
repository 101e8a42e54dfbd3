"""A program that has started processes stops them first, however often it is told to end."""

import asyncio
import signal

import pytest

from chat4all_devtools import termination


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_told_to_end_again_and_again_stops_first_what_it_began(number: signal.Signals) -> None:
    stopped = []

    def runs() -> None:
        try:
            signal.raise_signal(number)
        finally:
            for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(again)
            stopped.append("all of it")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended, termination.orderly():
        runs()
    assert ended.value.code == 128 + number
    assert stopped == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_runs_in_a_loop_is_cancelled_and_comes_to_its_end(number: signal.Signals) -> None:
    """However deep in the loop the signal comes, and in tasks of others: an exception from nowhere would come out of a
    task group as an exception group."""
    stopped = []

    async def runs() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tells())
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                stopped.append("all of it")

    async def tells() -> None:
        signal.raise_signal(number)
        signal.raise_signal(number)

    with pytest.raises(SystemExit) as ended, termination.orderly() as run:
        run(runs())
    assert ended.value.code == 128 + number
    assert stopped == ["all of it"]


def test_what_fails_in_a_loop_fails() -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError), termination.orderly() as run:
        run(fails())
