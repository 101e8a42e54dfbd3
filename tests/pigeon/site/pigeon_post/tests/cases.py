"""What a loft is told and tells, and what it means."""

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import Person, Progress, Received, Unsupported
from chat4all.channels.kit.port import Account, Part, WebhookStatus
from chat4all.channels.testing.tables import ExpectedRequest, Incoming, Outgoing, ProviderAnswer
from chat4all.model.delivery import State

NOON = 1_800_000_000_000
CREDENTIALS = {"ring": "golden-ring-of-a-test"}
CONFIG: dict[str, str] = {}
RIGHT = {"x-ring": "golden-ring-of-a-test"}
PLACE = {"chat": "tower"}

INCOMING = [
    Incoming(
        "a letter",
        "letter.json",
        (
            Received(
                event_id="l1",
                chat="tower",
                at=NOON,
                sender=Person(external_id="tower", name="Rapunzel"),
                external_id="l1",
                text="let down your hair",
            ),
        ),
        headers=RIGHT,
    ),
    Incoming(
        "receipts and something else",
        "receipts.json",
        (
            Progress(event_id="r1", chat="tower", at=NOON, external_id="7", state=State.DELIVERED),
            Progress(event_id="r2", chat="tower", at=NOON + 1, external_id="7", state=State.READ),
            Unsupported(event_id="r3", chat="tower", at=NOON + 2, kind="feather"),
        ),
        headers=RIGHT,
    ),
    Incoming("no list", "no_list.json", error=errors.MalformedError, headers=RIGHT),
    Incoming("of another ring", "letter.json", genuine=False, headers={"x-ring": "brass"}),
    Incoming("without a ring", "letter.json", genuine=False),
]

OUTGOING = [
    Outgoing(
        "whose loft it is",
        "account",
        requests=(ExpectedRequest("/loft", {}),),
        answers=(ProviderAnswer(200, {"id": "1", "name": "the loft"}),),
        result=Account("1", "the loft"),
    ),
    Outgoing(
        "a letter",
        "send",
        (Part(chat="tower", text="hi"),),
        requests=(ExpectedRequest("/letters", {"to": "tower", "text": "hi"}),),
        answers=(ProviderAnswer(200, {"id": 7}),),
        result="7",
    ),
    Outgoing(
        "to nobody",
        "send",
        (Part(chat="nowhere", text="hi"),),
        answers=(ProviderAnswer(404, {}),),
        error=errors.RecipientError,
        attributes={"reason": "NotFound"},
    ),
    Outgoing(
        "with a wrong ring",
        "send",
        (Part(chat="tower", text="hi"),),
        answers=(ProviderAnswer(401, {}),),
        error=errors.CredentialsError,
    ),
    Outgoing(
        "too many",
        "send",
        (Part(chat="tower", text="hi"),),
        answers=(ProviderAnswer(429, {}),),
        error=errors.ThrottledError,
        attributes={"retry_after": 5.0},
    ),
    Outgoing(
        "to a loft on fire",
        "send",
        (Part(chat="tower", text="hi"),),
        answers=(ProviderAnswer(500, {}),),
        error=errors.UnknownOutcomeError,
    ),
    Outgoing(
        "an answer that is cut",
        "send",
        (Part(chat="tower", text="hi"),),
        answers=(ProviderAnswer(200, {"id": 7}, cut=50),),
        error=errors.UnknownOutcomeError,
    ),
    Outgoing(
        "where it flies to",
        "registration",
        requests=(ExpectedRequest("/where", {}),),
        answers=(ProviderAnswer(200, {"url": "https://hub.example"}),),
        result=WebhookStatus("https://hub.example", 0, ""),
    ),
    Outgoing("fly here", "register", ("https://hub.example",), answers=(ProviderAnswer(200, {}),)),
    Outgoing(
        "another text", "edit", ("tower", "7", "ho"), error=errors.RejectedError, attributes={"reason": "Unsupported"}
    ),
]
