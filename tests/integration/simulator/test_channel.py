"""The Telegram channel and the simulator: what it sends arrives, what people do comes, in both modes."""

import asyncio

import pytest
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.world import Bot, Phone

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import Group, Received, Revised, Standing
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.port import Part, Post
from chat4all.channels.telegram import Config, Credentials
from chat4all.channels.telegram.channel import TelegramChannel

wait = asyncio.to_thread


@pytest.fixture
async def channel(bot: Bot, request: pytest.FixtureRequest):
    """The bot's. `request`: may say for how many seconds it waits for an answer."""
    client = ProviderClient(bot.simulator.url, answer_seconds=getattr(request, "param", 60.0))
    credentials = Credentials.model_validate({"botToken": bot.token, "webhookSecret": "secret_of_this_test"})
    yield TelegramChannel(client, credentials, Config())
    await client.close()


async def test_it_sends_edits_answers_and_deletes(channel, bot: Bot, phone: Phone):
    assert (await channel.account()).name == f"@{bot.name}"
    theirs = await wait(phone.write, bot, "Where is it?")
    first = await channel.send(
        Part(chat=str(phone.id), text="It is not late 👩‍👩‍👧‍👦", answers=str(theirs["message_id"]))
    )
    second = await channel.send(Part(chat=str(phone.id), text="Wait"))
    await channel.edit(str(phone.id), first, "It is there.")
    await channel.delete(str(phone.id), second)
    shown = await wait(phone.shows, bot)
    assert [one["text"] for one in shown] == ["/start", "Where is it?", "It is there."]
    assert shown[-1]["reply_to_message"]["text"] == "Where is it?"


async def do_everything(bot: Bot, phone: Phone) -> None:
    sent = bot.call("sendMessage", chat_id=phone.id, text="Red or blue?")
    said = phone.write(bot, "blue", reply_to=sent["message_id"])
    phone.edit(bot, said["message_id"], "Blue!")
    phone.block(bot)
    phone.block(bot, False)
    group = phone.group()
    bot.simulator.control("POST", f"/telegram/groups/{group}/members", {"user": bot.name, "by": phone.name})


def check(events, phone: Phone) -> None:
    assert [type(one) for one in events] == [Received, Revised, Standing, Standing, Group, Group]
    assert events[0].text == "blue"
    assert events[0].quotes is not None
    assert events[1].external_id == events[0].external_id
    assert events[1].text == "Blue!"
    assert [one.reachable for one in events[2:4]] == [False, True]
    assert events[0].sender.external_id == events[0].chat == str(phone.id)
    assert len({one.event_id for one in events}) == 6


async def test_what_people_do_comes_by_polling(channel, bot: Bot, phone: Phone):
    await wait(lambda: asyncio.run(do_everything(bot, phone)))
    page = await channel.poll("", seconds=5)
    check(page.events, phone)
    assert (await channel.poll(page.cursor, seconds=0)).events == []


async def test_what_people_do_comes_by_webhook(channel, bot: Bot, phone: Phone):
    receiver = Receiver()
    await channel.register(receiver.url)
    assert (await channel.registration()).url == receiver.url
    with pytest.raises(errors.TakenError):
        await channel.poll("", seconds=0)
    await wait(lambda: asyncio.run(do_everything(bot, phone)))
    await wait(receiver.wait, 6)
    events = []
    for headers, body in zip(receiver.headers, receiver.bodies, strict=True):
        post = Post({name.lower(): value for name, value in headers.items()}, body)
        channel.verify(post)
        events += channel.parse(post.body)
    check(sorted(events, key=lambda one: int(one.event_id)), phone)
    await channel.register("")
    assert (await channel.registration()).url == ""
    receiver.close()


FAULTS = [
    ({"fault": "too_many_requests", "retry_after": 5}, errors.ThrottledError),
    ({"fault": "server_error", "status": 502}, errors.UnknownOutcomeError),
    ({"fault": "slow", "seconds": 600}, errors.UnknownOutcomeError),
    ({"fault": "cut", "when": "before"}, errors.UnknownOutcomeError),
    ({"fault": "cut", "when": "after", "bytes": 70}, errors.UnknownOutcomeError),
    ({"fault": "half_open"}, errors.UnknownOutcomeError),
    ({"fault": "wrong_json"}, errors.UnknownOutcomeError),
]


@pytest.mark.parametrize("channel", [3.0], ids=["impatient"], indirect=True)
@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=[str(one[0]) for one in FAULTS])
async def test_what_goes_wrong_is_known_for_what_it_is(channel, bot: Bot, phone: Phone, fault, error):
    await wait(lambda: bot.fails(on={"method": "sendMessage"}, do=fault))
    with pytest.raises(error) as raised:
        await channel.send(Part(chat=str(phone.id), text="hello"))
    assert bot.token not in repr(raised.value) + str(raised.value.__context__) + str(raised.value.__cause__)
