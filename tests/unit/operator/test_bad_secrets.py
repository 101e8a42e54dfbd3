"""The Secret of a connector: what is wrong with it, said with the key and the next step, and never with its value."""

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.situations import (
    AT_WORK,
    NOT_STARTED,
    Case,
    becomes,
    check,
    comes_up,
    labelled,
    stalled,
    working,
)

from chat4all_operator.kinds import CREDENTIALS
from chat4all_operator.observed import SecretFound


def bad(label: str, secret: SecretFound | None, reason: str, says: str) -> Case:
    return Case(label, becomes(secret=secret), stalled("CredentialsResolved", reason), says)


def token(value: bytes, **more: bytes) -> SecretFound:
    return SecretFound(CREDENTIALS, {"botToken": value, **more})


COMMAND = "kubectl create secret generic keys --type=chat4all.io/credentials --from-literal=botToken=..."
BAD = (
    bad("missing", None, "SecretMissing", COMMAND),
    bad(
        "of another type", SecretFound("Opaque", {"botToken": b"1:x"}), "SecretWrongType", f"not {CREDENTIALS}. A type"
    ),
    bad("without a key", SecretFound(CREDENTIALS, {"token": b"1:x"}), "SecretLacksKey", "keys has no key botToken."),
    bad(
        "a BOM", token(b"\xef\xbb\xbf1:x"), "SecretInvalid", "Key botToken of Secret keys begins with a byte order mark"
    ),
    bad("an empty key", token(b""), "SecretInvalid", "Key botToken of Secret keys is empty"),
    bad("a line end and no more", token(b"\r\n"), "SecretInvalid", "Key botToken of Secret keys is empty"),
    bad("not UTF-8", token(b"\xff\xfe1:x"), "SecretInvalid", "Key botToken of Secret keys is no text in UTF-8"),
    bad("too long", token(b"1:" + b"x" * 70_000), "SecretInvalid", "Key botToken of Secret keys has more than 65536"),
    bad("no token", token(b"word"), "SecretInvalid", "the channel telegram does not take the value of botToken"),
    bad("an optional key", token(b"1:x", webhookSecret=b"a b"), "SecretInvalid", "the value of webhookSecret"),
)
RIGHT = {
    "a line end": token(b"123:abc\n"),
    "a line end of Windows": token(b"123:abc\r\n"),
    "two line ends": token(b"123:abc\n\n"),
    "a key that the channel does not know": token(b"123:abc", note=b"\xff"),
    "an optional key": token(b"123:abc", webhookSecret=b"abc"),
}


@labelled(BAD)
def test_of_a_new_connector(case: Case) -> None:
    life = Life()
    case.happens(life)
    life.settle()
    check(life, case._replace(differs={**NOT_STARTED, **case.differs}))
    assert life.kinds() == set(), "no pod is made that could not begin"
    assert life.row is not None, "the rest is as it should be"


@labelled(BAD)
def test_of_a_connector_that_worked(case: Case) -> None:
    life = working()
    case.happens(life)
    life.settle()
    check(life, case)
    assert life.kinds() == {"Deployment"}, "what runs goes on"


@labelled(BAD)
def test_mended_it_is_enough(case: Case) -> None:
    life = Life()
    case.happens(life)
    life.settle()
    life.secret = objects.SECRET
    life.settle()
    comes_up(life)
    assert life.conditions() == AT_WORK


@pytest.mark.parametrize("label", RIGHT)
def test_that_is_right(label: str) -> None:
    life = Life(secret=RIGHT[label])
    life.settle()
    assert life.conditions()["CredentialsResolved"] == "True Resolved"
