"""A start on a data folder that lacks something it had is refused with what to do: nothing is accepted into nothing."""

import shutil

import pytest

from chat4all.model.errors import StartError
from chat4all.processes import embedded
from chat4all.processes.config import Settings
from chat4all.processes.data_folder import DATABASES

FILES = [f"{name}.db" for name in DATABASES]


async def stopped(start):
    """A folder in which somebody has said something, and of which nobody has a hold."""
    system = await start()
    ana, _, chat = await system.pair()
    await ana.said(chat, "kept")
    await system.stop()
    return system.settings.embedded.data


@pytest.mark.parametrize("gone", [[one] for one in FILES] + [FILES[:2], FILES[2:], FILES[1:]], ids="+".join)
async def test_a_database_that_is_gone_is_not_begun_anew(start, gone):
    data = await stopped(start)
    for name in gone:
        (data / name).unlink()
    for _ in range(2):  # the refusal makes nothing that a second start would take for what was there
        with pytest.raises(StartError) as refused:
            await start(data=data)
        assert all(name in str(refused.value) for name in gone)
        assert "Restore the whole folder" in str(refused.value)
        assert not any((data / name).exists() for name in gone)


async def test_a_log_that_is_another_is_refused(start, tmp_path):
    """As from the backup of another installation."""
    data = await stopped(start)
    other = await stopped(start)
    shutil.copy(other / "log.db", data / "log.db")
    with pytest.raises(StartError, match=r"is another topic than the one .* began with.* Restore log\.db in "):
        await start(data=data)


async def test_a_log_of_other_partitions_is_refused(start):
    data = await stopped(start)
    for name in FILES[:1]:
        (data / name).unlink()
    other = await start(log={"partitions": 8})
    await other.stop()
    shutil.copy(other.settings.embedded.data / "log.db", data / "log.db")
    with pytest.raises(StartError, match="has 8 partitions and had 4"):
        await start(data=data)


async def test_users_are_kept_even_where_nobody_has_said_anything(start):
    system = await start()
    await system.register("carla")
    await system.stop()
    data = system.settings.embedded.data
    (data / "directory.db").unlink()
    with pytest.raises(StartError, match=r"directory\.db .* gone"):
        await start(data=data)


@pytest.mark.parametrize("there", range(len(FILES)))
async def test_a_first_start_that_was_cut_off_is_begun_again(start, tmp_path, there):
    """It had opened some engines, and made nothing in them."""
    data = tmp_path / "cut"
    engines = embedded.engines(Settings.model_validate({"embedded": {"data": data}}))
    opened = [engines.managed[name].engine for name in DATABASES[:there]]
    for engine in opened:
        await engine.open()
    for engine in opened:
        await engine.close()
    assert [(data / name).exists() for name in FILES] == [number < there for number in range(len(FILES))]
    again = await start(data=data)
    ana, _, chat = await again.pair()
    assert (await ana.said(chat, "here"))["content"] == "here"


async def test_a_whole_folder_of_a_backup_is_as_good_as_the_one_it_was_made_of(start, tmp_path):
    data = await stopped(start)
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    shutil.rmtree(data)
    again = await start(data=copy)
    ana = await again.login("ana")
    [chat] = await ana.get("/v1/conversations")
    assert [one["content"] for one in await ana.history(chat["conversation_id"])] == ["kept"]
