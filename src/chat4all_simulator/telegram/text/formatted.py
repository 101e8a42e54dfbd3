"""From the parameters of a call to the text and the entities of a message."""

import bisect
import itertools
from collections.abc import Callable
from typing import Any, Final

import msgspec

from chat4all_simulator.telegram.objects import Entity, User
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.strict import FieldError, integer, text_of
from chat4all_simulator.telegram.text import found, html, markdown, markdown2
from chat4all_simulator.telegram.text.marked import Marked, units

MAX_MESSAGE_UNITS: Final = 4096  # UTF-16 code units
_MAX_SOURCE_BYTES: Final = 32_768  # of the text before it is parsed
_MAX_MESSAGE_ENTITIES: Final = 100
_MAX_SOURCE_ENTITIES: Final = 500  # the rest is ignored, before some are merged

_PARSERS: Final[dict[str, Callable[[str], Marked]]] = {
    "markdown": markdown.parse,
    "markdownv2": markdown2.parse,
    "html": html.parse,
}
_DETECTED_KINDS: Final = {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bank_card_number",
}
_MARKED_KINDS: Final = (
    "bold", "italic", "underline", "strikethrough", "spoiler", "code", "pre", "blockquote", "expandable_blockquote",
    "text_link", "text_mention", "custom_emoji",
)  # fmt: skip
_KIND_ORDER: Final = (*_MARKED_KINDS, *sorted(_DETECTED_KINDS))
_MERGED_KINDS: Final = {"bold", "italic", "underline", "strikethrough", "spoiler"}
_SPACE_FOR: Final = {chr(one): " " for one in (*range(10), 11, 12, *range(14, 33))}
_DROPPED_CHARACTERS: Final = {"\r", *map(chr, range(0x2028, 0x202F))}


def read(parameters: Parameters) -> tuple[str, list[Entity]]:
    """Return the text and its entities as they were parsed, not yet trimmed. Raises RefusedError."""
    text = parameters.text("text")
    if not text:
        raise bad("message text is empty")
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_SOURCE_BYTES:
        raise bad("text is too long")
    mode = parameters.text("parse_mode").lower()
    if mode not in {"", "none"}:
        if mode not in _PARSERS:
            raise bad("unsupported parse_mode")
        if not _is_whole(text):
            raise bad("text must be encoded in UTF-8")
        marked = _PARSERS[mode](text)
        return "".join(marked.parts), marked.entities[:_MAX_SOURCE_ENTITIES]
    source = parameters.text("entities")
    return text, _decoded(source) if source else []


def finish(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Return both as they are sent: checked, cleaned, trimmed, limited, with unmarked entities. Raises RefusedError."""
    if not _is_whole(text):
        raise bad("strings must be encoded in UTF-8")
    borders = {0, *itertools.accumulate(map(units, text))} if entities else set()
    for entity in entities:
        _check(entity, text, borders)
    entities = sorted((one for one in entities if one.length), key=_place)
    text, entities = _trimmed(*_cleaned(text, _split(_merged(entities))))
    if not text:
        raise bad("text must be non-empty")
    if units(text) > MAX_MESSAGE_UNITS:
        raise bad("message is too long")
    more = [one for one in found.find(text) if not any(_crosses(one, each) for each in entities)]
    return text, sorted([*entities, *more], key=_place)[:_MAX_MESSAGE_ENTITIES]


def _is_whole(text: str) -> bool:
    """Return whether the text came as UTF-8; what did not is held as half surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(entity: Entity) -> tuple[int, int, int]:
    """Return the key by which the API orders entities: the outer ones first."""
    return entity.offset, -entity.length, _KIND_ORDER.index(entity.type)


def _decoded(source: str) -> list[Entity]:
    """Read the parameter `entities`; what is no list is ignored, as the server does. Raises RefusedError."""
    try:
        values = msgspec.json.decode(source)
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(values, list):
        return []
    try:
        return [one for one in map(_entity, values[:_MAX_SOURCE_ENTITIES]) if one is not None]
    except FieldError as error:
        raise bad(f"can't parse MessageEntity: {error}") from None


def _entity(value: Any) -> Entity | None:
    if not isinstance(value, dict):
        raise FieldError("expected an Object")
    offset, length, kind = integer(value, "offset"), integer(value, "length"), text_of(value, "type")
    if not kind:
        raise FieldError("Type is not specified")
    if kind in _DETECTED_KINDS:
        return None
    if kind not in _MARKED_KINDS:
        raise FieldError("Unsupported type specified")
    url = text_of(value, "url") if kind == "text_link" else ""
    user = _mentioned(value) if kind == "text_mention" else None
    language = text_of(value, "language", required=False) if kind == "pre" else ""
    emoji = text_of(value, "custom_emoji_id") if kind == "custom_emoji" else ""
    return Entity(offset, length, kind, url, user, language, emoji)


def _mentioned(value: dict[str, Any]) -> User:
    user = value.get("user")
    if not isinstance(user, dict):
        raise FieldError('Field "user" must be of type Object' if "user" in value else 'Can\'t find field "user"')
    return User(integer(user, "id"), False, text_of(user, "first_name", required=False))


def _check(entity: Entity, text: str, borders: set[int]) -> None:
    if not 0 <= entity.offset <= 1_000_000:
        raise bad(f"receive an entity with incorrect offset {entity.offset}")
    if not 0 <= entity.length <= 1_000_000:
        raise bad(f"receive an entity with incorrect length {entity.length}")
    if not entity.length:
        return
    begins, ends = entity.offset, entity.offset + entity.length
    end = units(text)
    if begins >= end:
        raise bad(f"entity begins after the end of the text at UTF-16 offset {begins}")
    if begins not in borders:
        raise bad(f"entity begins in a middle of a UTF-16 symbol at byte offset {_octets(text, begins)}")
    where = f"entity beginning at UTF-16 offset {begins} ends"
    if ends > end:
        raise bad(f"{where} after the end of the text at UTF-16 offset {ends}")
    if ends not in borders:
        raise bad(f"{where} in a middle of a UTF-16 symbol at byte offset {_octets(text, ends)}")


def _octets(text: str, offset: int) -> int:
    """Return the byte in UTF-8 at which the character begins that is at a UTF-16 offset or next behind it."""
    count = next(i for i in range(len(text) + 1) if units(text[:i]) >= offset)
    return len(text[:count].encode())


def _merged(entities: list[Entity]) -> list[Entity]:
    """Merge those of one kind that touch, and drop what lies over code."""
    code = [one for one in entities if one.type in {"code", "pre"}]
    kept: list[Entity] = []
    for one in entities:
        if one not in code and any(_crosses(one, each) for each in code):
            continue
        last = next((each for each in reversed(kept) if each.type == one.type), None)
        if last is not None and one.type in _MERGED_KINDS and one.offset <= last.offset + last.length:
            end = max(last.offset + last.length, one.offset + one.length)
            kept[kept.index(last)] = msgspec.structs.replace(last, length=end - last.offset)
        else:
            kept.append(one)
    return kept


def _split(entities: list[Entity]) -> list[Entity]:
    """Cut styles that lie over each other into pieces that cover each other whole."""
    styles = [one for one in entities if one.type in _MERGED_KINDS]
    borders = sorted({at for one in styles for at in (one.offset, one.offset + one.length)})
    pieces = [one for one in entities if one.type not in _MERGED_KINDS]
    for one in styles:
        inside = [at for at in borders if one.offset <= at <= one.offset + one.length]
        pieces += [msgspec.structs.replace(one, offset=a, length=b - a) for a, b in itertools.pairwise(inside)]
    return sorted(pieces, key=_place)


def _crosses(one: Entity, other: Entity) -> bool:
    return one.offset < other.offset + other.length and other.offset < one.offset + one.length


def _cleaned(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    if text.isprintable():
        return text, entities
    places = itertools.accumulate(map(units, text), initial=0)
    dropped = [at for at, char in zip(places, text, strict=False) if char in _DROPPED_CHARACTERS]
    cleaned = "".join(_SPACE_FOR.get(char, char) for char in text if char not in _DROPPED_CHARACTERS)
    return cleaned, [_moved(one, lambda at: at - bisect.bisect_left(dropped, at)) for one in entities]


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Drop the spaces at the end, and those at the beginning up to the first entity."""
    kept = text.rstrip(" \n")
    first = min((one.offset for one in entities), default=len(kept))
    left = min(len(kept) - len(kept.lstrip(" \n")), first)
    kept = kept[left:]
    end = units(kept)
    moved = [_moved(one, lambda at: min(at - left, end)) for one in entities]
    return kept, [one for one in moved if one.length]


def _moved(entity: Entity, new_offset: Callable[[int], int]) -> Entity:
    offset = new_offset(entity.offset)
    return msgspec.structs.replace(entity, offset=offset, length=new_offset(entity.offset + entity.length) - offset)
