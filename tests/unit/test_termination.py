"""A program that has started processes stops them first, however often it is told to end."""

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
