"""Parameters of a call: texts by name, from the query and from a form, a multipart or a JSON body. The first one wins.

JSON is read as the Bot API's server reads it: a string as its text, every other value as its source text, and where the
JSON breaks off, what came before counts: Query and HttpReader of https://github.com/tdlib/td/tree/master/tdnet
"""

import json
import re
import zlib
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, FormParser, parse_options_header

from chat4all_simulator.http.exchange import Request

Fields = dict[str, str]

MAX_PARAMETER_BYTES: Final = 1 << 20  # of all parameters of a call together

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(str).decode
_SPACES: Final = re.compile(r"[ \t\r\n]*")
_JSON_DECODER: Final = json.JSONDecoder()
_MAX_COUNTED_NAMES: Final = 64  # with more, names that come twice are looked for by reading the pairs in order


class FieldsError(Exception):
    """The parameters of a request cannot be read; `status` is the HTTP status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read(request: Request) -> Fields:
    """Return the parameters of a request. Raises FieldsError."""
    if request.verb not in {"GET", "POST"}:
        raise FieldsError(501)
    if request.wrong:
        raise FieldsError(request.wrong)
    if request.too_large or len(request.target) > MAX_PARAMETER_BYTES:
        raise FieldsError(413)
    _, _, query = request.target.partition(b"?")
    kind = request.header(b"content-type")
    body = _body(request, kind)
    return {**body, **_pairs(query.decode("ascii", "surrogateescape"))} if query else body


def legible(fields: Fields) -> Fields:
    """Return the same where all came as UTF-8; else replace what did not, except in `text`, whose reader says so."""
    try:
        _encode(fields)
    except UnicodeEncodeError:
        return {_replaced(name): text if name == "text" else _replaced(text) for name, text in fields.items()}
    return fields


def _replaced(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _body(request: Request, kind: str) -> Fields:
    lowered, body = kind.lower(), _unpacked(request)
    if not body:
        return {}
    if "multipart/form-data" in lowered:
        return _multipart(body, kind)
    if len(body) > MAX_PARAMETER_BYTES:
        raise FieldsError(413)
    if "application/x-www-form-urlencoded" in lowered:
        return _pairs(body.decode("utf-8", "surrogateescape"))
    return _json(body) if "application/json" in lowered else {}


def _pairs(source: str) -> Fields:
    return dict(reversed(parse_qsl(source, keep_blank_values=True, errors="surrogateescape")))


def _unpacked(request: Request) -> bytes | bytearray:
    encoding = request.header(b"content-encoding").lower()
    if encoding in {"", "identity"}:
        return request.body
    if encoding not in {"gzip", "deflate"}:
        raise FieldsError(415)
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | (16 if encoding == "gzip" else 0))
    try:
        body = decompressor.decompress(request.body, MAX_PARAMETER_BYTES + 1)
    except zlib.error as error:
        raise FieldsError(400) from error
    if len(body) > MAX_PARAMETER_BYTES:
        raise FieldsError(413)
    return body


def _json(body: bytes | bytearray) -> Fields:
    if len(body) > MAX_PARAMETER_BYTES:
        raise FieldsError(413)
    try:
        values = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _in_order(bytes(body))
    if len(values) > _MAX_COUNTED_NAMES or any(body.count(b'"%b"' % name.encode()) > 1 for name in values):
        return _in_order(bytes(body))  # a name may be there twice
    return {name: _plain(bytes(value)) for name, value in values.items()}


def _plain(value: bytes) -> str:
    if value[:1] != b'"':
        return value.decode("utf-8", "surrogateescape")
    try:
        return _decode_text(value)
    except msgspec.DecodeError:  # half of a surrogate pair, which Python's own reader lets through
        return str(json.loads(value))


def _in_order(body: bytes) -> Fields:
    """Read the pairs of an object one after another, until it breaks: the first of two of one name counts."""
    source = body.decode("utf-8", "surrogateescape")
    fields: Fields = {}
    at = _skip(source, 0)
    if source[at : at + 1] != "{":
        return fields
    try:
        while source[at : at + 1] in {"{", ","}:
            name, at = _JSON_DECODER.raw_decode(source, _skip(source, at + 1))
            at = _skip(source, at)
            if source[at : at + 1] != ":" or not isinstance(name, str):
                break
            start = _skip(source, at + 1)
            value, at = _JSON_DECODER.raw_decode(source, start)
            fields.setdefault(name, value if isinstance(value, str) else source[start:at])
            at = _skip(source, at)
    except (ValueError, RecursionError):
        return fields
    return fields


def _skip(source: str, at: int) -> int:
    """Return where the next character that is no space stands, `at` or later."""
    space = _SPACES.match(source, at)
    return space.end() if space else at


def _multipart(body: bytes | bytearray, kind: str) -> Fields:
    """Read the parts without a file name; a part with one is a file, and text chats need no files."""
    fields: Fields = {}
    boundary = parse_options_header(kind)[1].get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise FieldsError(400)

    def keep(part: Field) -> None:
        name = (part.field_name or b"").decode("utf-8", "surrogateescape")
        fields.setdefault(name, (part.value or b"").decode("utf-8", "surrogateescape"))

    parser = FormParser("multipart/form-data", keep, None, boundary=boundary)
    try:
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError as error:
        raise FieldsError(400) from error
    if sum(map(len, fields.values())) > MAX_PARAMETER_BYTES:
        raise FieldsError(413)
    return fields
