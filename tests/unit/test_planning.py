"""Who gets a message where."""

from typing import Any

import pytest

from chat4all.directory.channels import Link, LinkState
from chat4all.directory.port import Role
from chat4all.model.ids import contact_name
from chat4all.model.outbound import Delivery, DeliveryKey, Plan, Target
from chat4all.model.positions import Position
from chat4all.model.reasons import REASONS
from chat4all.model.rows import Row
from chat4all.routing.planning import (
    Labels,
    Party,
    Reachability,
    plan_change,
    plan_message,
    plan_retry,
    reachable,
    without_refused,
)


def link(name: str, channel: str = "telegram", **more: Any) -> Link:
    usual = {"link_id": f"{name}/{channel}", "username": name, "channel": channel, "connector": f"local.{channel}"}
    return Link(**{**usual, "external_id": f"id of {name}", "chat": f"chat of {name}", **more})


def party(name: str, *links: Link, role: Role = Role.USER) -> Party:
    return Party(username=name, role=role, name=name.capitalize(), links=links)


ANA = party("ana", role=Role.AGENT)
BRUNO = party("bruno", link("bruno"))
CLARA = party("clara", link("clara"), link("clara", "whatsapp"))
DAVI = party("davi")
BLOCKED = party("eva", link("eva", state=LinkState.UNREACHABLE, reason="Blocked"))
CONTACT = party(contact_name("local.telegram", "7"))
GONE = party("gil", link("gil", "pigeon"))
CLAIMED = party("fabio", link("fabio", state=LinkState.PENDING, code="X"))


REGISTERED = {"local.telegram", "local.whatsapp"}


def said(*channels: str, sender: str = "ana") -> Row:
    return Row(
        conversation_id="c",
        seq=1,
        kind="message",
        message_id="m",
        sender_id=sender,
        created_at=1,
        position=Position(1),
        channels=channels,
    )


def told(plan: Plan) -> list[str]:
    return [
        f"{one.recipient} {one.connector}"
        + (f" as {one.label}" if one.label else "")
        + (one.reason and f": {one.reason}")
        for one in plan.targets
    ]


CASES = [
    ("one on a channel", ["all"], [ANA, BRUNO], ["bruno local.telegram"]),
    ("one on two", ["all"], [ANA, CLARA], ["clara local.telegram", "clara local.whatsapp"]),
    ("one in the app only", ["all"], [ANA, DAVI], []),
    ("in the app only, as was asked", ["app"], [ANA, BRUNO], []),
    ("a channel by name", ["whatsapp"], [ANA, CLARA], ["clara local.whatsapp"]),
    ("a channel that they are not on", ["whatsapp"], [ANA, BRUNO], ["bruno whatsapp: NoLink"]),
    (
        "all and a channel that they are not on",
        ["all", "whatsapp"],
        [ANA, BRUNO],
        ["bruno local.telegram", "bruno whatsapp: NoLink"],
    ),
    ("one who has blocked us", ["all"], [ANA, BLOCKED], ["eva local.telegram: Blocked"]),
    ("one who is claimed and not proven", ["all"], [ANA, CLAIMED], []),
    ("one whose connector is gone", ["all"], [ANA, GONE], ["gil local.pigeon: ConnectorDeleted"]),
    ("the same, by name", ["telegram"], [ANA, CLAIMED], ["fabio telegram: NoLink"]),
    ("a contact whose link is gone", ["all"], [ANA, CONTACT], [f"{CONTACT.username} all: NoLink"]),
    ("the same, by name", ["telegram"], [ANA, CONTACT], [f"{CONTACT.username} telegram: NoLink"]),
    (
        "several who are no agents, so that it must be said who writes",
        ["all"],
        [ANA, BRUNO, CLARA],
        ["bruno local.telegram as Ana", "clara local.telegram as Ana", "clara local.whatsapp as Ana"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("channels", "parties", "wanted"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_a_message_goes_to_whom_it_is_meant_for(channels, parties, wanted):
    assert told(plan_message(said(*channels), parties, Labels(), REGISTERED)) == wanted


def test_nobody_gets_what_he_wrote_himself():
    assert plan_message(said("all", sender="bruno"), [ANA, BRUNO], Labels(), REGISTERED).targets == ()


LABELS = [("Always", [ANA, BRUNO], "Ana"), ("Never", [ANA, BRUNO, CLARA], ""), ("Auto", [ANA, BRUNO], "")]


@pytest.mark.parametrize(("how", "parties", "label"), LABELS)
def test_a_connector_says_whether_the_sender_is_named(how, parties, label):
    plan = plan_message(said("telegram"), parties, Labels(by_connector={"local.telegram": how}), REGISTERED)
    assert {one.label for one in plan.targets} == {label}


def delivery(recipient: str, generation: int = 0, part: int = 0, **times: Any) -> Delivery:
    key = DeliveryKey(
        record_id="m", recipient=recipient, link=f"{recipient}/telegram", part=part, generation=generation
    )
    return Delivery(key=key, connector="local.telegram", destination=f"chat of {recipient}", **times)


def original(*parties: Party) -> Plan:
    return plan_message(said("telegram"), [ANA, *parties], Labels(by_connector={"local.telegram": "Never"}), REGISTERED)


def target(recipient: str, generation: int) -> Target:
    return Target(
        recipient=recipient,
        link=f"{recipient}/telegram",
        connector="local.telegram",
        destination=f"chat of {recipient}",
        generation=generation,
    )


def test_a_change_follows_the_message_in_the_generation_that_counts():
    plan = original(BRUNO, CLARA, DAVI)
    made = plan_change("e", plan, [delivery("bruno", failed_at=1), delivery("bruno", 1, sent_at=2), delivery("clara")])
    assert made == Plan(record_id="e", message_id="e", targets=(target("bruno", 1), target("clara", 0)))


RETRIES = [
    ("what has failed", [delivery("bruno", failed_at=1), delivery("clara", sent_at=1)], [target("bruno", 1)]),
    ("what failed again", [delivery("bruno", failed_at=1), delivery("bruno", 1, failed_at=2)], [target("bruno", 2)]),
    ("what was sent meanwhile", [delivery("bruno", failed_at=1), delivery("bruno", 1, sent_at=2)], []),
    ("what is on its way", [delivery("bruno", failed_at=1), delivery("bruno", 1)], []),
    (
        "what failed in one part",
        [delivery("bruno", sent_at=1), delivery("bruno", part=1, failed_at=1)],
        [target("bruno", 1)],
    ),
    ("nothing that was delivered after all", [delivery("bruno", failed_at=1, delivered_at=2)], []),
]  # fmt: skip


@pytest.mark.parametrize(("deliveries", "wanted"), [one[1:] for one in RETRIES], ids=[one[0] for one in RETRIES])
def test_a_retry_sends_again(deliveries, wanted):
    plan = original(BRUNO, CLARA)
    assert plan_retry("r", "m", plan, deliveries) == Plan(record_id="r", message_id="m", targets=tuple(wanted))


def test_a_retry_goes_to_one_who_can_be_reached_again():
    plan = original(BLOCKED)
    (made,) = plan_retry("r", "m", plan, [delivery("eva", failed_at=1, reason="Blocked")]).targets
    assert (made.generation, made.reason) == (1, "")


def test_every_reason_says_what_happened_and_what_can_be_done():
    for code, reason in REASONS.items():
        assert code.isalpha()
        assert reason.sentence.endswith(".")
        assert reason.advice.endswith(".")


NOW = Reachability({"c": ["bruno"], "d": ["bruno", "clara"]}, frozenset({"l"}), frozenset({"local.telegram"}))
STANDING: dict[str, Any] = {"recipient": "bruno", "link": "l", "connector": "local.telegram", "destination": "7"}
STILL = [
    ("who is there and linked", {}, ""),
    ("who has left, though they are in another conversation", {"recipient": "clara"}, "NoLink"),
    ("whose link is gone", {"link": "other"}, "NoLink"),
    ("whose connector is gone", {"connector": "local.gone"}, "ConnectorDeleted"),
]


@pytest.mark.parametrize("case", STILL, ids=[one[0] for one in STILL])
def test_what_is_sent_again_is_for_those_who_are_still_there(case: tuple[str, dict[str, str], str]) -> None:
    _, change, reason = case
    plan = Plan(record_id="r", message_id="m", targets=(Target(**{**STANDING, **change}),))
    assert [one.reason for one in reachable(plan, "c", NOW).targets] == [reason]
    assert bool(without_refused(reachable(plan, "c", NOW)).targets) is not bool(reason)
