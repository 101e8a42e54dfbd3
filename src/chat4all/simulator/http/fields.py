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

from chat4all.simulator.http.exchange import Request

Fields = dict[str, str]

LARGEST: Final = 1 << 20  # bytes of parameters together

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_PAIR: Final = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_BEGIN: Final = re.compile(rb"\s*\{")
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
    body = _body(request, kind)
    return {**body, **_pairs(query.decode("ascii", "surrogateescape"))} if query else body


def _body(request: Request, kind: str) -> Fields:
    lowered, body = kind.lower(), _unpacked(request)
    if not body:
        return {}
    if "multipart/form-data" in lowered:
        return _multipart(body, kind)
    if len(body) > LARGEST:
        raise FieldsError(413)
    if "application/x-www-form-urlencoded" in lowered:
        return _pairs(body.decode("utf-8", "surrogateescape"))
    return _json(body) if "application/json" in lowered else {}


def _pairs(source: str) -> Fields:
    return dict(reversed(parse_qsl(source, keep_blank_values=True, errors="surrogateescape")))


def _unpacked(request: Request) -> bytes | bytearray:
    packed = request.header(b"content-encoding").lower()
    if packed in {"", "identity"}:
        return request.body
    if packed not in {"gzip", "deflate"}:
        raise FieldsError(415)
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | (16 if packed == "gzip" else 0))
    try:
        body = unpacking.decompress(request.body, LARGEST + 1)
    except zlib.error as error:
        raise FieldsError(400) from error
    if len(body) > LARGEST:
        raise FieldsError(413)
    return body


def _json(body: bytes | bytearray) -> Fields:
    if len(body) > LARGEST:
        raise FieldsError(413)
    try:
        found = {name: _plain(bytes(value)) for name, value in _decode(body).items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _until_it_breaks(bytes(body))
    if any(body.count(b'"%b"' % name.encode()) > 1 for name in found):  # a name may be there twice
        return _until_it_breaks(bytes(body))
    return found


def _plain(value: bytes) -> str:
    if value[:1] != b'"':
        return value.decode("utf-8", "surrogateescape")
    try:
        return _text(value)
    except msgspec.DecodeError:  # half of a surrogate pair, which Python's own reader lets through
        return str(json.loads(value))


def _until_it_breaks(body: bytes) -> Fields:
    """The pairs of a broken object that are whole; the first of two of one name."""
    found: Fields = {}
    begin = _BEGIN.match(body)
    at = begin.end() if begin else 0
    while at and (pair := _PAIR.match(body, at)):
        end = _end_of_value(body, pair.end())
        if end is None:
            break
        found.setdefault(_plain(pair[1]), _plain(body[pair.end() : end].strip()))
        separator = _SEPARATOR.match(body, end)
        at = separator.end() if separator else 0
    return found


def _end_of_value(body: bytes, at: int) -> int | None:
    """Where the longest value that is JSON and stands before a comma or brace ends."""
    for end in re.finditer(rb"[,}]", body[at:]):
        try:
            json.loads(body[at : at + end.start()].decode("utf-8", "surrogateescape"))
        except ValueError:
            continue
        return at + end.start()
    return None


def _multipart(body: bytes | bytearray, kind: str) -> Fields:
    """Parts without a file name; a part with one is a file, and files are nothing that text chats need."""
    found: Fields = {}
    boundary = parse_options_header(kind)[1].get(b"boundary")
    if not boundary or len(boundary) > 70:
        raise FieldsError(400)

    def keep(part: Field) -> None:
        name = (part.field_name or b"").decode("utf-8", "surrogateescape")
        found.setdefault(name, (part.value or b"").decode("utf-8", "surrogateescape"))

    parser = FormParser("multipart/form-data", keep, None, boundary=boundary)
    try:
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError as error:
        raise FieldsError(400) from error
    if sum(map(len, found.values())) > LARGEST:
        raise FieldsError(413)
    return found
