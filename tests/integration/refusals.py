"""The table of bad input: requests, and how each is refused. `<chat>` and the like stand for ids (see the scene)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.integration.people import PASSWORD

MESSAGES = "/v1/messages"
CONVERSATIONS = "/v1/conversations"
USERS = "/v1/users"
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DEEP = "[" * 100_000
LONG_NUMBER = "9" * 5_000
MEBIBYTE = 1 << 20


class Case(NamedTuple):
    """A request and its refusal. `json` or `raw`: the body; `field`: what the problem names."""

    request: str
    status: int
    code: str
    field: str | None = None
    who: str = "ana"
    json: Any = None
    raw: str | bytes | None = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = {}


def post(status: int, code: str, field: str | None = None, **more: Any) -> Case:
    """POST /v1/messages, with these changes to a body that is right."""
    if not {"raw", "json"} & more.keys():
        keep = {"who": more.pop("who", "ana"), "headers": more.pop("headers", {})}
        more = {"json": {"chat_id": "<chat>", "content": "x"} | more, **keep}
    return Case(f"POST {MESSAGES}", status, code, field, **more)


def begin(field: str | None, status: int = 422, code: str = "invalid", **more: Any) -> Case:
    """POST /v1/conversations, with these changes to a body that is right."""
    if "raw" not in more:
        more = {"json": {"members": ["bruno"]} | more}
    return Case(f"POST {CONVERSATIONS}", status, code, field, **more)


def register(field: str | None, status: int = 422, code: str = "invalid", **more: Any) -> Case:
    """POST /v1/users, with these changes to a body that is right."""
    who, headers = more.pop("who", "nobody"), more.pop("headers", {})
    if "raw" not in more:
        more = {"json": {"username": "newcomer", "password": PASSWORD} | more}
    more["headers"] = headers
    return Case(f"POST {USERS}", status, code, field, who=who, **more)


def login(field: str | None, status: int = 422, code: str = "invalid", **form: str) -> Case:
    """POST /token with this form."""
    return Case("POST /token", status, code, field, who="nobody", form=form)


def edit(status: int, code: str, field: str | None = None, message: str = "message", **more: Any) -> Case:
    """PATCH a message."""
    if not {"raw", "json"} & more.keys():
        more = {"json": {"content": "changed"}, **more}
    return Case(f"PATCH {MESSAGES}/<{message}>", status, code, field, **more)


def history(params: str, field: str) -> Case:
    """GET a page of history that cannot be."""
    return Case(f"GET {CONVERSATIONS}/<chat>/messages?{params}", 422, "invalid", field)


def said(content: str) -> str:
    """The raw JSON of a message, its content a JSON text."""
    return f'{{"chat_id": "<chat>", "content": {content}}}'


CASES = {
    # JSON that is none
    "malformed JSON": post(400, "malformed", raw='{"chat_id": "<chat>", "content": "x"'),
    "no body": post(400, "malformed", raw=""),
    "words": post(400, "malformed", raw="hello"),
    "two documents": post(400, "malformed", raw=said('"x"') * 2),
    "NaN": post(400, "malformed", raw=said("NaN")),
    "single quotes": post(400, "malformed", raw="{'chat_id': '<chat>', 'content': 'x'}"),
    "invalid UTF-8": post(400, "malformed", raw=b'{"chat_id": "<chat>", "content": "\xff\xfe"}'),
    "overlong UTF-8": post(400, "malformed", raw=b'{"chat_id": "<chat>", "content": "\xc0\xaf"}'),
    "surrogates in UTF-8": post(422, "invalid", "content", raw=b'{"chat_id": "<chat>", "content": "\xed\xa0\x80"}'),
    "cut off UTF-8": post(400, "malformed", raw=b'{"chat_id": "<chat>", "content": "\xf0\x9f\x91"}'),
    "UTF-16": post(400, "malformed", raw=said('"x"').encode("utf-16")),
    "lone high surrogate": post(422, "invalid", "content", raw=said(r'"\ud800"')),
    "lone low surrogate": post(422, "invalid", "content", raw=said(r'"\udc00x"')),
    "surrogates the wrong way round": post(422, "invalid", "content", raw=said(r'"\udc00\ud800"')),
    "deep nesting": post(422, "invalid", "body", raw=DEEP),
    "deep nesting of objects": post(400, "malformed", raw='{"a":' * 100_000),
    "deep nesting in a field": post(422, "invalid", "content", raw=said("[" * 500 + "]" * 500)),
    "deep nesting in another field": post(400, "malformed", raw=f'{{"chat_id": "<chat>", "content": "x", "z": {DEEP}'),
    "deep nesting, closed": post(
        400, "malformed", raw=f'{{"chat_id": "<chat>", "content": "x", "z": {DEEP}{"]" * 100_000}}}', headers={}
    ),
    "deep nesting, with a key": post(
        400,
        "malformed",
        raw=f'{{"chat_id": "<chat>", "content": "x", "z": {DEEP}{"]" * 100_000}}}',
        headers={"Idempotency-Key": "deep"},
    ),
    "nesting just too deep, with a key": post(
        400,
        "malformed",
        raw=f'{{"chat_id": "<chat>", "content": "x", "z": {"[" * 990}{"]" * 990}}}',
        headers={"Idempotency-Key": "less-deep"},
    ),
    "a long number in another field, with a key": post(
        400,
        "malformed",
        raw=f'{{"chat_id": "<chat>", "content": "x", "z": {LONG_NUMBER}}}',
        headers={"Idempotency-Key": "long"},
    ),
    "malformed JSON in an edit": edit(400, "malformed", raw='{"content": '),
    "invalid UTF-8 in an edit": edit(400, "malformed", raw=b'{"content": "\xff"}'),
    "deep nesting in an edit": edit(400, "malformed", raw=DEEP),
    "a long number in an edit": edit(400, "malformed", raw=f'{{"content": "x", "z": {LONG_NUMBER}}}'),
    "malformed JSON for a conversation": begin(None, 400, "malformed", raw='{"members": ["bruno"]'),
    "invalid UTF-8 for a conversation": begin(None, 400, "malformed", raw=b'{"members": ["\xff"]}'),
    "UTF-16 for a conversation": begin(None, 400, "malformed", raw='{"members": ["bruno"]}'.encode("utf-16")),
    "a byte order mark for a conversation": begin(None, 400, "malformed", raw=b'\xef\xbb\xbf{"members": ["bruno"]}'),
    "a number out of range for a conversation": begin(None, 400, "malformed", raw='{"members": ["bruno"], "z": 1e999}'),
    "a field named by a lone surrogate": begin("body", raw=r'{"members": ["bruno"], "\ud800": 1}'),
    "deep nesting for a conversation": begin(None, 400, "malformed", raw=DEEP),
    "malformed JSON for a user": register(None, 400, "malformed", raw="{"),
    "deep nesting for a user": register(None, 400, "malformed", raw=DEEP),
    "malformed JSON in a heartbeat": Case("POST /v1/presence/heartbeat", 400, "malformed", raw="{"),
    "malformed JSON for members": Case(f"POST {CONVERSATIONS}/<group>/members", 400, "malformed", raw="["),
    "malformed JSON for a status": Case(f"PATCH {MESSAGES}/<other>/status", 400, "malformed", raw="{]"),
    # wrong types
    "a list for a message": post(422, "invalid", "body", json=[]),
    "null for a message": post(422, "invalid", "body", raw="null"),
    "a string for a message": post(422, "invalid", "body", json="hello"),
    "a number as content": post(422, "invalid", "content", content=5),
    "null as content": post(422, "invalid", "content", content=None),
    "a list as content": post(422, "invalid", "content", content=["x"]),
    "a huge integer as content": post(422, "invalid", "content", raw=said(LONG_NUMBER)),
    "a huge exponent as content": post(422, "invalid", "content", raw=said("1e999")),
    "a number as chat_id": post(422, "invalid", "chat_id", chat_id=7),
    "no content": post(422, "invalid", "content", json={"chat_id": "<chat>"}),
    "no chat_id": post(422, "invalid", "chat_id", json={"content": "x"}),
    "a string as channels": post(422, "invalid", "channels", channels="all"),
    "an unknown channel": post(422, "invalid", "channels[1]", channels=["all", "pigeon"]),
    "no channels": post(422, "invalid", "channels", channels=[]),
    "a file that is none": post(422, "invalid", "file_id", file_id="no-such-file"),
    "a number as reply_to": post(422, "invalid", "reply_to", reply_to=1),
    "a reply to nothing": post(422, "invalid", "reply_to", reply_to="no-such-message"),
    "a number as new content": edit(422, "invalid", "content", json={"content": 1}),
    "no new content": edit(422, "invalid", "content", json={}),
    "a list for an edit": edit(422, "invalid", "body", json=[]),
    "a string as members": begin("members", members="bruno"),
    "a number as member": begin("members[0]", members=[5]),
    "null as members": begin("members", members=None),
    "an unknown type of conversation": begin("type", type="broadcast"),
    "metadata that is a list": begin("metadata", metadata=[]),
    "metadata with a number": begin("metadata.a", metadata={"a": 5}),
    "a list for a conversation": begin("body", raw="[]"),
    "a conversation with nobody": begin("members", members=[]),
    "a conversation with too many": begin("members", members=[f"m{number}" for number in range(501)]),
    "too much metadata": begin("metadata", metadata={f"k{number}": "v" for number in range(33)}),
    "a heartbeat of an unknown kind": Case("POST /v1/presence/heartbeat", 422, "invalid", "status", json={"status": 5}),
    "a number as user name": register("username", username=5),
    "a number as password": register("password", password=12345678),
    "an unknown role": register("role", role="emperor"),
    "an email that is none": register("email", email="not an address"),
    # content
    "an empty message": post(422, "invalid", "content", content=""),
    "a blank message": post(422, "invalid", "content", content=" \t\n\r\u00a0\u2003\u3000 "),
    "10,001 characters": post(422, "invalid", "content", content="x" * 10_001),
    "10,001 emoji": post(422, "invalid", "content", content="😀" * 10_001),
    "NUL": post(422, "invalid", "content", content="a\x00b"),
    "NUL alone": post(422, "invalid", "content", content="\x00"),
    "an empty edit": edit(422, "invalid", "content", json={"content": ""}),
    "a blank edit": edit(422, "invalid", "content", json={"content": " \n "}),
    "an edit of 10,001 characters": edit(422, "invalid", "content", json={"content": "x" * 10_001}),
    "an edit with NUL": edit(422, "invalid", "content", json={"content": "a\x00b"}),
    "an edit with a lone surrogate": edit(422, "invalid", "content", raw=r'{"content": "\ud800"}'),
    "an edit with a lone surrogate in an unknown field": edit(
        422, "invalid", "z", raw=r'{"content": "x", "z": "\ud800"}'
    ),
    "an edit with NaN in an unknown field": edit(400, "malformed", raw='{"content": "x", "z": NaN}'),
    # conversations that are not there, or not theirs
    "an unknown conversation": post(404, "not-found", chat_id="no-such-conversation"),
    "a conversation they are not in": post(404, "not-found", who="zeca"),
    "a conversation id with a space": post(422, "invalid", "chat_id", chat_id="a b"),
    "a conversation id with NUL": post(422, "invalid", "chat_id", chat_id="a\x00b"),
    "a conversation id that ends a line": post(422, "invalid", "chat_id", chat_id="a\n"),
    "a conversation id that is too long": post(422, "invalid", "chat_id", chat_id="a" * 65),
    "an empty conversation id": post(422, "invalid", "chat_id", chat_id=""),
    "the history of an unknown conversation": Case(f"GET {CONVERSATIONS}/no-such/messages", 404, "not-found"),
    "the history of a conversation they are not in": Case(
        f"GET {CONVERSATIONS}/<chat>/messages", 404, "not-found", who="zeca"
    ),
    "a conversation they are not in, shown": Case(f"GET {CONVERSATIONS}/<group>", 404, "not-found", who="zeca"),
    "NUL in a path": Case(f"GET {CONVERSATIONS}/a%00b", 422, "invalid", "conversation_id"),
    "invalid UTF-8 in a path": Case(f"GET {CONVERSATIONS}/%ff%fe", 422, "invalid", "conversation_id"),
    "a path of 2,000 characters": Case(f"GET {CONVERSATIONS}/{'a' * 2_000}", 422, "invalid", "conversation_id"),
    "NUL in the path of a message": Case(f"GET {MESSAGES}/a%00b", 422, "invalid", "message_id"),
    "NUL in the path of a user": Case("GET /v1/presence/a%00b", 422, "invalid", "username"),
    # members
    "a member that does not exist": begin("members[0]", members=["nobody"]),
    "one of several members that does not exist": begin("members[1]", type="group", members=["bruno", "nobody"]),
    "a member whose name cannot be": begin("members[0]", members=["Ana Maria"]),
    "a member with NUL": begin("members[0]", members=["bru\x00no"]),
    "a member that ends a line": begin("members[0]", members=["bruno\n"]),
    "a member with a lone surrogate": begin("members[0]", raw=r'{"members": ["\ud800"]}'),
    "metadata with NUL": begin("metadata.a", metadata={"a": "\x00"}),
    "metadata named with NUL": begin(None, metadata={"\x00": "a"}),
    "metadata of 200,000 characters": begin("metadata.a", metadata={"a": "x" * 200_000}),
    "metadata named with 200,000 characters": begin(None, metadata={"x" * 200_000: "a"}),
    "metadata with a lone surrogate": begin("metadata.a", raw=r'{"members": ["bruno"], "metadata": {"a": "\ud800"}}'),
    "metadata named with a lone surrogate": begin(None, raw=r'{"members": ["bruno"], "metadata": {"\ud800": "a"}}'),
    "an unknown field with a lone surrogate": begin("z", raw=r'{"members": ["bruno"], "z": "\ud800"}'),
    "an unknown field with NaN": begin(None, 400, "malformed", raw='{"members": ["bruno"], "z": NaN}'),
    "a private conversation of three": begin("members", members=["bruno", "admin"]),
    "a private conversation of one": begin("members", members=["ana"]),
    "bringing in who does not exist": Case(
        f"POST {CONVERSATIONS}/<group>/members", 422, "invalid", "members[0]", json={"members": ["nobody"]}
    ),
    "bringing in nobody": Case(
        f"POST {CONVERSATIONS}/<group>/members", 422, "invalid", "members", json={"members": []}
    ),
    "bringing in someone from outside": Case(
        f"POST {CONVERSATIONS}/<group>/members", 404, "not-found", who="zeca", json={"members": ["zeca"]}
    ),
    "bringing someone into a private one": Case(
        f"POST {CONVERSATIONS}/<chat>/members", 409, "conflict", json={"members": ["zeca"]}
    ),
    "removing who is not in it": Case(f"DELETE {CONVERSATIONS}/<group>/members/zeca", 404, "not-found"),
    "removing someone else": Case(f"DELETE {CONVERSATIONS}/<group>/members/ana", 403, "forbidden", who="bruno"),
    # names of users
    "a name of 200,000 characters": register("username", username="x" * 200_000),
    "a name of 65 characters": register("username", username="x" * 65),
    "an empty name": register("username", username=""),
    "a name with NUL": register("username", username="new\x00comer"),
    "a name that ends a line": register("username", username="newcomer\n"),
    "a name in capitals": register("username", username="Newcomer"),
    "a name in another script": register("username", username="нewcomer"),
    "a name with a slash": register("username", username="new/comer"),
    "a name with a lone surrogate": register("username", raw=r'{"username": "\ud800", "password": "12345678"}'),
    "a name that is taken": register("username", 409, "conflict", username="ana"),
    "a password that is too short": register("password", password="short"),
    "a password of 200,000 characters": register("password", password="x" * 200_000),
    "a password with NUL": register("password", password="12345678\x00"),
    "a password with a lone surrogate": register(
        "password", raw=r'{"username": "newcomer", "password": "12345678\ud800"}'
    ),
    "an email with NUL": register("email", email="a\x00@b"),
    "an email that ends a line": register("email", email="a@b\n"),
    "an email of 200,000 characters": register("email", email=f"{'x' * 200_000}@b"),
    "an agent made by registration": register(None, 403, "forbidden", role="agent"),
    "an admin made by registration": register(None, 403, "forbidden", role="admin"),
    "a service made by a user": register(None, 403, "forbidden", role="service", who="bruno"),
    "an admin made by an agent": register(None, 403, "forbidden", role="admin", who="ana"),
    "registration with a bad token": register(
        None,
        401,
        "unauthenticated",
        raw='{"username": "newcomer", "password": "12345678"}',
        headers={"Authorization": "Bearer x"},
    ),
    "a role changed by a user": Case(f"PATCH {USERS}/bruno", 403, "forbidden", who="bruno", json={"role": "admin"}),
    "an unknown role of a user": Case(f"PATCH {USERS}/bruno", 422, "invalid", "role", who="admin", json={"role": "x"}),
    "a bad password for a user": Case(
        f"PATCH {USERS}/bruno", 422, "invalid", "password", who="admin", json={"password": "\x00" * 8}
    ),
    "a user who is not there": Case(f"PATCH {USERS}/nobody", 404, "not-found", who="admin", json={"role": "agent"}),
    # logging in
    "a wrong password": Case(
        "POST /token", 401, "wrong-password", who="nobody", form={"username": "ana", "password": "x"}
    ),
    "an unknown user": Case(
        "POST /token", 401, "wrong-password", who="nobody", form={"username": "x", "password": "demo"}
    ),
    "a login without a password": Case(
        "POST /token", 422, "invalid", "password", who="nobody", form={"username": "ana"}
    ),
    "a login without anything": Case("POST /token", 422, "invalid", "username", who="nobody", raw="", headers=FORM),
    "a login by a name of 200,000 characters": Case(
        "POST /token", 422, "invalid", "username", who="nobody", form={"username": "x" * 200_000, "password": "demo"}
    ),
    "a login by a password of 200,000 characters": Case(
        "POST /token", 422, "invalid", "password", who="nobody", form={"username": "ana", "password": "x" * 200_000}
    ),
    "a login with NUL": Case(
        "POST /token", 401, "wrong-password", who="nobody", raw="username=an%00a&password=demo", headers=FORM
    ),
    "a login with invalid UTF-8": Case(
        "POST /token", 401, "wrong-password", who="nobody", raw="username=%ff%fe&password=%ed%a0%80", headers=FORM
    ),
    "a login of another grant": login("grant_type", username="ana", password="demo", grant_type="implicit"),
    "a file as password": Case(
        "POST /token",
        422,
        "invalid",
        "password",
        who="nobody",
        raw='--b\r\nContent-Disposition: form-data; name="username"\r\n\r\nana\r\n'
        '--b\r\nContent-Disposition: form-data; name="password"; filename="f"\r\n\r\ndemo\r\n--b--\r\n',
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    # keys
    "the same key with another body": post(422, "key-reused", headers={"Idempotency-Key": "used"}),
    "an empty key": post(422, "invalid", "Idempotency-Key", headers={"Idempotency-Key": ""}),
    "a key with spaces": post(422, "invalid", "Idempotency-Key", headers={"Idempotency-Key": "a b"}),
    "a key of 256 characters": post(422, "invalid", "Idempotency-Key", headers={"Idempotency-Key": "k" * 256}),
    "a key of 256 characters for an edit": edit(
        422, "invalid", "Idempotency-Key", headers={"Idempotency-Key": "k" * 256}
    ),
    "a key that is not ASCII": post(422, "invalid", "Idempotency-Key", headers={"Idempotency-Key": "ké"}),
    # pages
    "a page of nothing": history("limit=0", "limit"),
    "a page of less than nothing": history("limit=-1", "limit"),
    "a page of 201": history("limit=201", "limit"),
    "a page of a word": history("limit=many", "limit"),
    "a page of a fraction": history("limit=1.5", "limit"),
    "a page of a huge number": history(f"limit={LONG_NUMBER}", "limit"),
    "a page after less than nothing": history("after_seq=-1", "after_seq"),
    "a page after a word": history("after_seq=x", "after_seq"),
    "a page after a huge number": history("after_seq=99999999999999999999", "after_seq"),
    "a page before less than nothing": history("before_seq=-5", "before_seq"),
    "a page before a huge number": history(f"before_seq={2**64}", "before_seq"),
    "a page of an unknown kind": history("kinds=some", "kinds"),
    "too many conversations": Case(f"GET {CONVERSATIONS}?limit=201", 422, "invalid", "limit"),
    "conversations from nowhere": Case(f"GET {CONVERSATIONS}?before=yesterday", 422, "invalid", "before"),
    "conversations from NUL": Case(f"GET {CONVERSATIONS}?before=1:%00", 422, "invalid", "before"),
    "too many users": Case(f"GET {USERS}?limit=1000", 422, "invalid", "limit"),
    "users named NUL": Case(f"GET {USERS}?q=%00", 422, "invalid", "q"),
    "users named with 10,000 characters": Case(f"GET {USERS}?q={'x' * 10_000}", 422, "invalid", "q"),
    # messages of others, messages that are gone
    "editing another's message": edit(403, "forbidden", message="other"),
    "deleting another's message": Case(f"DELETE {MESSAGES}/<other>", 403, "forbidden"),
    "editing from outside": edit(404, "message-not-found", who="zeca"),
    "deleting from outside": Case(f"DELETE {MESSAGES}/<message>", 404, "message-not-found", who="zeca"),
    "editing a deleted message": edit(409, "deleted", message="deleted"),
    "deleting a deleted message": Case(f"DELETE {MESSAGES}/<deleted>", 409, "deleted"),
    "a message that is not there": Case(f"GET {MESSAGES}/no-such-message", 404, "message-not-found"),
    "editing a message that is not there": Case(
        f"PATCH {MESSAGES}/no-such-message", 404, "message-not-found", json={"content": "x"}
    ),
    "the timeline of a message that is not there": Case(f"GET {MESSAGES}/none/timeline", 404, "message-not-found"),
    "the status of one's own message": Case(
        f"PATCH {MESSAGES}/<message>/status", 403, "forbidden", json={"status": "read", "conversation_id": "<chat>"}
    ),
    "a status in another conversation": Case(
        f"PATCH {MESSAGES}/<message>/status",
        404,
        "message-not-found",
        who="bruno",
        json={"status": "read", "conversation_id": "<group>"},
    ),
    "a status without a conversation": Case(
        f"PATCH {MESSAGES}/<message>/status", 422, "invalid", "conversation_id", who="bruno", json={"status": "read"}
    ),
    # too much, the wrong way, the wrong place
    "a body of more than a mebibyte": post(413, "too-large", raw=said(f'"{"x" * MEBIBYTE}"')),
    "an edit of more than a mebibyte": edit(413, "too-large", raw=f'{{"content": "{"x" * MEBIBYTE}"}}'),
    "a user of more than a mebibyte": register(None, 413, "too-large", raw=f'{{"username": "{"x" * MEBIBYTE}"}}'),
    "a login of more than a mebibyte": Case(
        "POST /token", 413, "too-large", who="nobody", raw=f"username={'x' * MEBIBYTE}&password=x", headers=FORM
    ),
    "an unknown path": Case("GET /v1/nothing", 404, "not-found"),
    "a file that the console has not": Case("GET /console/secrets.js", 404, "not-found", who="nobody"),
    "an unknown path under a message": Case(f"GET {MESSAGES}/<message>/nothing", 404, "not-found"),
    "the internal API": Case("GET /internal/v1/connectors/x", 404, "not-found"),
    "text instead of JSON": post(
        415, "unsupported-media-type", raw=said('"x"'), headers={"Content-Type": "text/plain"}
    ),
    "a form instead of JSON": post(415, "unsupported-media-type", raw="chat_id=<chat>&content=x", headers=FORM),
    "text instead of JSON in an edit": edit(415, "unsupported-media-type", raw='{"content": "changed"}', headers=TEXT),
    "text instead of JSON for a conversation": begin(
        None, 415, "unsupported-media-type", raw='{"members": ["bruno"]}', headers=TEXT
    ),
    "JSON instead of a form": Case(
        "POST /token",
        415,
        "unsupported-media-type",
        who="nobody",
        json={"username": "ana", "password": "demo"},
    ),
    # nobody
    "posting without a token": post(401, "unauthenticated", who="nobody"),
    "reading without a token": Case(f"GET {CONVERSATIONS}/<chat>/messages", 401, "unauthenticated", who="nobody"),
    "editing without a token": edit(401, "unauthenticated", who="nobody"),
    "finding users without a token": Case(f"GET {USERS}?q=ana", 401, "unauthenticated", who="nobody"),
    "presence without a token": Case("GET /v1/presence/ana", 401, "unauthenticated", who="nobody"),
    "a password instead of a token": Case(
        f"GET {CONVERSATIONS}", 401, "unauthenticated", who="nobody", headers={"Authorization": "Basic YW5hOmRlbW8="}
    ),
}
