"""Roles on real engines as a black box."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx

from bench import process, system
from bench.measurement import Occasion
from chat4all_devtools.stack.roles import RoleProcess, Roles
from chat4all_devtools.stack.stack import Stack


@contextlib.asynccontextmanager
async def engines(core: int | None) -> AsyncIterator[Stack]:
    """Fresh ones, gone at the end. `core`: where they run, None: anywhere."""
    stack = Stack(Path(tempfile.mkdtemp(prefix="chat4all-bench-")))

    def up() -> None:
        stack.folder.chmod(0o755)  # PostgreSQL is run by a user of its own
        with process.on(core):
            stack.up(free_ports=True)

    logging.disable()  # clients say much about servers that are still starting
    try:
        await asyncio.to_thread(up)
        yield stack
    finally:
        await asyncio.to_thread(stack.down)
        shutil.rmtree(stack.folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def roles(stack: Stack, occasion: Occasion, names: Sequence[str]) -> AsyncIterator[Roles]:
    """So many processes, none of which runs yet."""
    made = Roles(stack, occasion.folder, roles=names)
    made.set(**system.ENVIRONMENT)
    await asyncio.to_thread(made.migrate)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


async def begin(running: Roles, core: int | None, *names: str) -> Mapping[str, process.Process]:
    """Start these processes there, and wait until they are ready."""
    begun: list[RoleProcess] = [role for role in running.roles if role.name in names]
    with process.on(core):
        for role in begun:
            running.begin(role)
    await asyncio.to_thread(running.wait, {role.name: role.health for role in begun})
    return {role.name: running.process(role.name) for role in begun}


@contextlib.asynccontextmanager
async def reached(api: process.Process) -> AsyncIterator[system.System]:
    """Over REST."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}", timeout=30) as client:
        yield system.System(api, client)
