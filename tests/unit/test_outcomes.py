"""What became of a message for one person."""

from typing import Any

import pytest

from chat4all.conversations.outcomes import recipient
from chat4all.model.delivery import Cursor, State
from chat4all.model.ids import contact_name
from chat4all.model.outbound import Delivery, DeliveryKey
from chat4all.model.positions import Position
from chat4all.model.rows import ReceiptTimes, Row

CONTACT = contact_name("local.telegram", "7")
NOTHING, GOT, READ = Cursor(), Cursor(5, 0), Cursor(5, 5)


def row(*channels: str) -> Row:
    return Row(
        conversation_id="c",
        seq=5,
        kind="message",
        message_id="m",
        sender_id="ana",
        created_at=1,
        position=Position(1),
        channels=channels or ("all",),
    )


def delivery(link: str = "a", part: int = 0, generation: int = 0, connector: str = "local.x", **more: Any) -> Delivery:
    key = DeliveryKey(record_id="m", recipient="r", link=link, part=part, generation=generation)
    return Delivery(key=key, connector=connector, **more)


SENT: dict[str, Any] = {"sent_at": 10}
FAILED: dict[str, Any] = {"failed_at": 20, "reason": "Blocked"}
NO_LINK: dict[str, Any] = {"link": "", "failed_at": 9, "reason": "NoLink"}

Case = tuple[str, str, Cursor, list[Delivery], str, list[str]]
CASES: list[Case] = [
    ("in the app alone", "bruno", NOTHING, [], "sent", []),
    ("in the app, and there it is read", "bruno", READ, [], "read", []),
    ("on its way elsewhere, but in the app", "bruno", NOTHING, [delivery()], "sent", ["accepted"]),
    ("failed elsewhere, but in the app", "bruno", GOT, [delivery(**FAILED)], "delivered", ["failed Blocked"]),
    ("read elsewhere", "bruno", NOTHING, [delivery(read_at=3, **SENT)], "read", ["read"]),
    ("nothing planned yet", CONTACT, NOTHING, [], "accepted", []),
    ("on its way", CONTACT, NOTHING, [delivery()], "accepted", ["accepted"]),
    ("sent", CONTACT, NOTHING, [delivery(**SENT)], "sent", ["sent"]),
    ("failed", CONTACT, NOTHING, [delivery(**FAILED)], "failed", ["failed Blocked"]),
    (
        "the best of two",
        CONTACT,
        NOTHING,
        [delivery(**FAILED), delivery("b", **SENT)],
        "sent",
        ["failed Blocked", "sent"],
    ),
    (
        "one of two is on its way",
        CONTACT,
        NOTHING,
        [delivery(**FAILED), delivery("b")],
        "accepted",
        ["failed Blocked", "accepted"],
    ),
    (
        "the worst of its parts",
        CONTACT,
        NOTHING,
        [delivery(parts=2, **SENT), delivery(part=1, **FAILED)],
        "failed",
        ["failed Blocked"],
    ),
    ("a part that is not known yet", CONTACT, NOTHING, [delivery(parts=2, **SENT)], "accepted", ["accepted"]),
    (
        "a retry counts, and nothing before it",
        CONTACT,
        NOTHING,
        [delivery(parts=2, **SENT), delivery(part=1, **FAILED), delivery(generation=1, parts=1, **SENT)],
        "sent",
        ["sent"],
    ),
    ("a retry on its way", CONTACT, NOTHING, [delivery(**FAILED), delivery(generation=1)], "accepted", ["accepted"]),
    (
        "channels on which they are not",
        CONTACT,
        NOTHING,
        [delivery(connector="x", **NO_LINK), delivery(connector="y", **NO_LINK)],
        "failed",
        ["failed NoLink", "failed NoLink"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[one[0] for one in CASES])
def test_a_persons_state_is_that_of_his_best_way(case: Case) -> None:
    _, who, cursor, deliveries, state, ways = case
    found = recipient(row(), who, cursor, ReceiptTimes(), deliveries)
    assert found.state == state
    assert [f"{one.state} {one.reason}".strip() for one in found.ways] == ways


def test_what_was_for_the_app_only_fails_where_there_is_none() -> None:
    assert recipient(row("app"), CONTACT, NOTHING, ReceiptTimes(), []).state is State.FAILED
    assert recipient(row("app"), "bruno", NOTHING, ReceiptTimes(), []).state is State.SENT


def test_a_way_tells_when_its_state_came_about() -> None:
    (way,) = recipient(row(), CONTACT, NOTHING, ReceiptTimes(), [delivery(sent_at=10, delivered_at=12)]).ways
    assert (way.state, way.at, way.connector, way.link) == (State.DELIVERED, 12, "local.x", "a")
