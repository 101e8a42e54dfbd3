"""A process that is told to end: once, twice for the same reason, and again."""

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from chat4all.processes import signals

async def main():
    signals._SAME_SECONDS = float(sys.argv[1])
    with signals.told_to_stop() as stop:
        print("works", flush=True)
        await stop
        print("told", flush=True)
        sys.stdin.readline()  # what is under way takes as long as the test wants
        await asyncio.sleep(0)  # a signal that came meanwhile is heard
        await asyncio.sleep(0)

asyncio.run(main())
print("ended", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("same_seconds", "code"),
    [pytest.param(3600.0, 0, id="at once: told twice"), pytest.param(0.0, None, id="later: it is meant")],
)
def test_a_second_signal_ends_it_unless_it_is_the_first_told_twice(number, same_seconds, code):
    command = [sys.executable, "-c", PROGRAM, str(same_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        os.kill(process.pid, number)
        assert process.stdout.readline() == "told\n"
        os.kill(process.pid, number)
        process.stdin.write("\n")
        process.stdin.flush()
        if code is None:
            assert process.wait(60) == 128 + number
            return
        assert process.stdout.readline() == "ended\n"
        os.kill(process.pid, number)  # when all is closed, before the process has gone
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(60) == code
