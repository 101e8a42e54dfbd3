"""What Telegram sends and answers, and what that means: https://core.telegram.org/bots/api"""

from typing import Any, Final

from chat4all.channels.kit import errors
from chat4all.channels.kit.events import Group, Person, Received, Revised, Standing, Unsupported
from chat4all.channels.kit.port import Account, Page, Part, WebhookStatus
from chat4all.channels.testing.tables import ExpectedRequest, Incoming, Outgoing, ProviderAnswer

CREDENTIALS: Final = {
    "botToken": "7000000001:AAF-token-of-the-tests-0123456789abcdef",
    "webhookSecret": "secret_of_the_tests_1",
    "webhookSecretPrevious": "secret_of_the_tests_0",
}
CONFIG: Final[dict[str, Any]] = {}

_CHAT: Final = "7000000002"
_SENT_AT_MS: Final = 1795552583000
_BRUNO: Final = Person(external_id=_CHAT, name="Bruno Silva", username="bruno")
_GENUINE_HEADERS: Final = {"x-telegram-bot-api-secret-token": "secret_of_the_tests_1"}
_PREVIOUS_HEADERS: Final = {"x-telegram-bot-api-secret-token": "secret_of_the_tests_0"}
_FORGED_HEADERS: Final = {"x-telegram-bot-api-secret-token": "secret_of_the_tests_2"}


def _received(event_id: str, text: str, **more: Any) -> Received:
    given: dict[str, Any] = {"sender": _BRUNO, "external_id": "12", "at": _SENT_AT_MS, **more}
    return Received(event_id=event_id, chat=_CHAT, text=text, **given)


def _unsupported(event_id: str, kind: str, chat: str = "", at: int = 0) -> Unsupported:
    return Unsupported(event_id=event_id, chat=chat, at=at, kind=kind)


INCOMING: Final = (
    Incoming("a text", "text.json", (_received("41", "Olá 👋"),), headers=_GENUINE_HEADERS),
    Incoming("a text under the secret of before", "text.json", (_received("41", "Olá 👋"),), headers=_PREVIOUS_HEADERS),
    Incoming("a text with a wrong secret", "text.json", headers=_FORGED_HEADERS, genuine=False),
    Incoming("a text without a secret", "text.json", genuine=False),
    Incoming("a command with its code", "command.json", (_received("42", "/start CODE42"),), headers=_GENUINE_HEADERS),
    Incoming("a picture's caption", "caption.json", (_received("43", "my receipt"),), headers=_GENUINE_HEADERS),
    Incoming("an answer", "quote.json", (_received("45", "That one", quotes="9"),), headers=_GENUINE_HEADERS),
    Incoming(
        "an edit",
        "edited.json",
        (Revised(event_id="46", chat=_CHAT, at=1795552600000, sender=_BRUNO, external_id="12", text="Olá!"),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "a person without a name",
        "without_a_name.json",
        (_received("47", "hi", sender=Person(external_id=_CHAT, name=_CHAT)),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "a block",
        "blocked.json",
        (Standing(event_id="48", chat=_CHAT, at=_SENT_AT_MS, sender=_BRUNO, reachable=False),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "its end",
        "unblocked.json",
        (Standing(event_id="49", chat=_CHAT, at=_SENT_AT_MS, sender=_BRUNO, reachable=True),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "a group's message",
        "group.json",
        (Group(event_id="50", chat="-5000000001", at=_SENT_AT_MS),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "coming into a group",
        "joined_group.json",
        (Group(event_id="51", chat="-5000000001", at=_SENT_AT_MS),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "a picture alone",
        "photo.json",
        (_unsupported("44", "message without text", _CHAT, _SENT_AT_MS),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming("a channel's post", "channel_post.json", (_unsupported("52", "channel_post"),), headers=_GENUINE_HEADERS),
    Incoming(
        "a kind of next year",
        "unknown_kind.json",
        (_unsupported("53", "something_of_next_year"),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "a message of another form",
        "message_of_wrong_form.json",
        (_unsupported("54", "message"),),
        headers=_GENUINE_HEADERS,
    ),
    Incoming(
        "an update about nothing", "nothing_else.json", (_unsupported("55", "nothing"),), headers=_GENUINE_HEADERS
    ),
    Incoming("no id", "without_id.json", error=errors.MalformedError, headers=_GENUINE_HEADERS),
    Incoming("a list", "a_list.json", error=errors.MalformedError, headers=_GENUINE_HEADERS),
    Incoming("half an update", "broken.json", error=errors.MalformedError, headers=_GENUINE_HEADERS),
)


def _ok(result: Any) -> ProviderAnswer:
    return ProviderAnswer(200, {"ok": True, "result": result})


def _no(code: int, description: str, **parameters: int) -> ProviderAnswer:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return ProviderAnswer(code, body | ({"parameters": parameters} if parameters else {}))


def _request(method: str, **body: Any) -> ExpectedRequest:
    return ExpectedRequest(f"/bot…/{method}", body)


_SENT_ANSWER: Final = _ok({"message_id": 17, "date": 1795552583, "chat": {"id": 7000000002, "type": "private"}})
_HELLO_PART: Final = Part(chat=_CHAT, text="Hello")
_HELLO_REQUEST: Final = _request("sendMessage", chat_id=7000000002, text="Hello")


def _refusal(name: str, answer: ProviderAnswer, error: type[errors.ChannelError], **attributes: Any) -> Outgoing:
    return Outgoing(
        name, "send", (_HELLO_PART,), requests=(_HELLO_REQUEST,), answers=(answer,), error=error, attributes=attributes
    )


_LAST_ERROR: Final = {"last_error_message": "Connection refused"}

OUTGOING: Final = (
    Outgoing("a text", "send", (_HELLO_PART,), requests=(_HELLO_REQUEST,), answers=(_SENT_ANSWER,), result="17"),
    Outgoing(
        "an answer",
        "send",
        (Part(chat=_CHAT, text="Hello", answers="9"),),
        requests=(
            _request(
                "sendMessage",
                chat_id=7000000002,
                text="Hello",
                reply_parameters={"message_id": 9, "allow_sending_without_reply": True},
            ),
        ),
        answers=(_SENT_ANSWER,),
        result="17",
    ),
    Outgoing(
        "marks that cannot be parsed go as they stand",
        "send",
        (Part(chat=_CHAT, text="*Hello"),),
        requests=(
            _request("sendMessage", chat_id=7000000002, text="*Hello", parse_mode="MarkdownV2"),
            _request("sendMessage", chat_id=7000000002, text="*Hello"),
        ),
        answers=(
            _no(400, "Bad Request: can't parse entities: Can't find end of Bold entity at byte offset 0"),
            _SENT_ANSWER,
        ),
        result="17",
        config={"parseMode": "MarkdownV2"},
    ),
    Outgoing(
        "an edit",
        "edit",
        (_CHAT, "17", "Hello!"),
        requests=(_request("editMessageText", chat_id=7000000002, message_id=17, text="Hello!"),),
        answers=(_SENT_ANSWER,),
    ),
    Outgoing(
        "an edit that changes nothing",
        "edit",
        (_CHAT, "17", "Hello"),
        answers=(_no(400, "Bad Request: message is not modified: specified new message content is the same"),),
        error=errors.RejectedError,
        attributes={"reason": "AlreadySo"},
    ),
    Outgoing(
        "a delete",
        "delete",
        (_CHAT, "17"),
        requests=(_request("deleteMessage", chat_id=7000000002, message_id=17),),
        answers=(_ok(True),),
    ),
    Outgoing(
        "a delete after two days",
        "delete",
        (_CHAT, "17"),
        answers=(_no(400, "Bad Request: message can't be deleted for everyone"),),
        error=errors.RejectedError,
        attributes={"reason": "TooOld"},
    ),
    Outgoing(
        "whose it is",
        "account",
        requests=(_request("getMe"),),
        answers=(_ok({"id": 7000000001, "is_bot": True, "first_name": "Support", "username": "support_bot"}),),
        result=Account("7000000001", "@support_bot"),
    ),
    Outgoing(
        "a webhook",
        "register",
        ("https://hub.example/hooks/telegram/1",),
        requests=(
            _request(
                "setWebhook",
                url="https://hub.example/hooks/telegram/1",
                secret_token=CREDENTIALS["webhookSecret"],
                allowed_updates=["message", "edited_message", "my_chat_member"],
            ),
        ),
        answers=(_ok(True),),
    ),
    Outgoing("no webhook", "register", ("",), requests=(_request("deleteWebhook"),), answers=(_ok(True),)),
    Outgoing(
        "where updates go",
        "registration",
        requests=(_request("getWebhookInfo"),),
        answers=(
            _ok({"url": "https://x", "pending_update_count": 3, **_LAST_ERROR, "last_error_date": 9_999_999_999}),
        ),
        result=WebhookStatus("https://x", 3, "Connection refused"),
    ),
    Outgoing(
        "where updates go, and what was wrong a moment ago and has come since",
        "registration",
        answers=(
            _ok({"url": "https://x", "pending_update_count": 0, **_LAST_ERROR, "last_error_date": 9_999_999_999}),
        ),
        result=WebhookStatus("https://x", 0, ""),
    ),
    Outgoing(
        "where updates go, and what was wrong long ago",
        "registration",
        answers=(
            _ok({"url": "https://x", "pending_update_count": 0, **_LAST_ERROR, "last_error_date": 1_700_000_000}),
        ),
        result=WebhookStatus("https://x", 0, ""),
    ),
    Outgoing(
        "a poll that brings something",
        "poll",
        ("41",),
        options={"seconds": 25.0},
        requests=(
            _request(
                "getUpdates",
                limit=100,
                timeout=25,
                offset=41,
                allowed_updates=["message", "edited_message", "my_chat_member"],
            ),
        ),
        answers=(_ok([{"update_id": 41, "poll": {}}, {"update_id": 43, "poll": {}}]),),
        result=Page([_unsupported("41", "poll"), _unsupported("43", "poll")], "44"),
    ),
    Outgoing(
        "a poll that brings nothing",
        "poll",
        ("",),
        options={"seconds": 1.0},
        answers=(_ok([]),),
        result=Page([], "0"),
    ),
    Outgoing(
        "a poll while another polls",
        "poll",
        ("",),
        options={"seconds": 1.0},
        answers=(_no(409, "Conflict: terminated by other getUpdates request"),),
        error=errors.TakenError,
    ),
    _refusal(
        "too much",
        _no(429, "Too Many Requests: retry after 37", retry_after=37),
        errors.ThrottledError,
        retry_after=37.0,
    ),
    _refusal("too much, for hours", _no(429, "Too Many Requests", retry_after=9000), errors.ThrottledError),
    _refusal("blocked", _no(403, "Forbidden: bot was blocked by the user"), errors.RecipientError, reason="Blocked"),
    _refusal("gone", _no(403, "Forbidden: user is deactivated"), errors.RecipientError, reason="Deactivated"),
    _refusal(
        "never started",
        _no(403, "Forbidden: bot can't initiate conversation with a user"),
        errors.RecipientError,
        reason="NeverStarted",
    ),
    _refusal("nobody", _no(400, "Bad Request: chat not found"), errors.RecipientError, reason="NotFound"),
    _refusal(
        "a group that moved",
        _no(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1001000000001),
        errors.MovedError,
        to="-1001000000001",
    ),
    _refusal("only spaces", _no(400, "Bad Request: text must be non-empty"), errors.RejectedError, reason="Empty"),
    _refusal("too long", _no(400, "Bad Request: message is too long"), errors.RejectedError, reason="TooLong"),
    _refusal("anything else", _no(400, "Bad Request: what is this"), errors.RejectedError, reason="Rejected"),
    _refusal("a wrong token", _no(401, "Unauthorized"), errors.CredentialsError),
    _refusal("no token", _no(404, "Not Found"), errors.CredentialsError),
    _refusal("a fault of theirs", _no(500, "Internal Server Error: restart"), errors.UnknownOutcomeError),
    _refusal("a proxy's page", ProviderAnswer(502, "<html>502 Bad Gateway</html>"), errors.UnknownOutcomeError),
    _refusal("half an answer", ProviderAnswer(200, '{"ok":true,"result":{"mess'), errors.UnknownOutcomeError),
    _refusal("a line that is cut", ProviderAnswer(200, "", cut=0), errors.UnknownOutcomeError),
    _refusal("a line that is cut in the answer", ProviderAnswer(200, "x" * 100, cut=120), errors.UnknownOutcomeError),
)
