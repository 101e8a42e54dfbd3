"""Parameters of a call: texts by name, from the query and from a form, a multipart or a JSON body. The first one wins.

JSON is read as the Bot API's server reads it: a string as its text, every other value as its source text, and where the
JSON breaks off, what came before counts: Query and HttpReader of https://github.com/tdlib/td/tree/master/tdnet
"""

import re
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, FormParser, parse_options_header

from chat4all.simulator.http.exchange import Request

Fields = dict[str, str]

LARGEST: Final = 1 << 20  # bytes of parameters together

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_PAIR: Final = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_SEPARATOR: Final = re.compile(rb"\s*,")


class FieldsError(Exception):
    """They cannot be read; `status`: what HTTP says to that."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read(request: Request) -> Fields:
    """Raises FieldsError."""
    if request.verb not in {"GET", "POST"}:
        raise FieldsError(501)
    if request.too_large:
        raise FieldsError(413)
    _, _, query = request.target.partition(b"?")
    kind = request.header(b"content-type")
    if not query and kind == "application/json":  # nearly all
        return _json(request.body)
    found = dict(reversed(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
    return {**_body(request, kind), **found}


def _body(request: Request, kind: str) -> Fields:
    lowered = kind.lower()
    if not request.body:
        return {}
    if "multipart/form-data" in lowered:
        return _multipart(request.body, kind)
    if len(request.body) > LARGEST:
        raise FieldsError(413)
    if "application/x-www-form-urlencoded" in lowered:
        return dict(reversed(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)))
    return _json(request.body) if "application/json" in lowered else {}


def _json(body: bytearray) -> Fields:
    if len(body) > LARGEST:
        raise FieldsError(413)
    try:
        return {name: _plain(bytes(value)) for name, value in _decode(body).items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _until_it_breaks(bytes(body))


def _plain(value: bytes) -> str:
    return _text(value) if value[:1] == b'"' else value.decode("utf-8", "replace")


def _until_it_breaks(body: bytes) -> Fields:
    """The pairs of a broken object that are whole."""
    found: Fields = {}
    at = body.find(b"{") + 1
    while at and (pair := _PAIR.match(body, at)):
        end = _end_of_value(body, pair.end())
        if end is None:
            break
        found.setdefault(_text(pair[1]), _plain(body[pair.end() : end].strip()))
        separator = _SEPARATOR.match(body, end)
        at = separator.end() if separator else 0
    return found


def _end_of_value(body: bytes, at: int) -> int | None:
    """Where the longest value that is JSON and stands before a comma or brace ends."""
    for end in re.finditer(rb"[,}]", body[at:]):
        try:
            msgspec.json.decode(body[at : at + end.start()])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        return at + end.start()
    return None


def _multipart(body: bytearray, kind: str) -> Fields:
    """Parts without a file name; a part with one is a file, and files are nothing that text chats need."""
    found: Fields = {}
    boundary = parse_options_header(kind)[1].get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise FieldsError(400)

    def keep(part: Field) -> None:
        name = (part.field_name or b"").decode("utf-8", "replace")
        found.setdefault(name, (part.value or b"").decode("utf-8", "replace"))

    parser = FormParser("multipart/form-data", keep, None, boundary=boundary)
    try:
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError as error:
        raise FieldsError(400) from error
    if sum(map(len, found.values())) > LARGEST:
        raise FieldsError(413)
    return found
