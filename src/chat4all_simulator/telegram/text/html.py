"""parse_mode HTML: some tags, strictly nested, and four named character references."""

import re
from dataclasses import dataclass, field
from typing import Final

from chat4all_simulator.telegram.text import links
from chat4all_simulator.telegram.text.marked import SPACES, Marked, octets, unparsed

_KINDS: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "span": "spoiler",
    "blockquote": "blockquote", "code": "code", "pre": "pre", "a": "text_link", "tg-emoji": "custom_emoji",
}  # fmt: skip
_REFERENCE: Final = re.compile(r"&(?:#x([0-9a-fA-F]{1,8});?|#([0-9]{1,10});?|(lt|gt|amp|quot);?)")
_NAMED_CHARACTERS: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ATTRIBUTE_NAME: Final = re.compile(r"[^\s=>/\"']*")
_UNQUOTED_VALUE: Final = re.compile(r"[A-Za-z0-9.\-]*")


@dataclass
class _Open:
    tag: str
    offset: int
    attributes: dict[str, str] = field(default_factory=dict)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[_Open] = []
        self._marked = Marked()

    def parse(self) -> Marked:
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char == "&":
                self._reference()
            elif char != "<":
                self._marked.write(char)
                self._at += 1
            elif text.startswith("/", self._at + 1):
                self._end_tag()
            else:
                self._start_tag()
        if self._open:
            raise unparsed(f'Can\'t find end tag corresponding to start tag "{self._open[-1].tag}"')
        return self._marked

    def _reference(self) -> None:
        reference = _REFERENCE.match(self._text, self._at)
        char = _decoded(reference) if reference else ""
        if reference is None or not char:
            self._marked.write("&")
            self._at += 1
            return
        self._marked.write(char)
        self._at = reference.end()

    def _start_tag(self) -> None:
        start = self._at
        where = f"at byte offset {octets(self._text[:start])}"
        end = start + 1
        while end < len(self._text) and self._text[end] not in SPACES and self._text[end] != ">":
            end += 1
        if end == len(self._text):
            raise unparsed(f"Unclosed start tag {where}")
        tag = self._text[start + 1 : end].lower()
        if tag not in _KINDS:
            raise unparsed(f'Unsupported start tag "{tag}" {where}')
        element = _Open(tag, self._marked.length)
        self._at = end
        self._attributes(element, where)
        if tag == "span" and element.attributes.get("class") != "tg-spoiler":
            raise unparsed(f'Tag "span" must have class "tg-spoiler" {where}')
        self._open.append(element)

    def _attributes(self, element: _Open, where: str) -> None:
        text = self._text
        while True:
            self._skip_spaces()
            if self._at >= len(text):
                raise unparsed(f'Unclosed start tag "{element.tag}" {where}')
            if text[self._at] == ">":
                self._at += 1
                return
            name = _ATTRIBUTE_NAME.match(text, self._at)
            if name is None or not name[0]:
                raise unparsed(f'Empty attribute name in the tag "{element.tag}" {where}')
            self._at = name.end()
            self._skip_spaces()
            value = ""
            if text[self._at : self._at + 1] == "=":
                self._at += 1
                self._skip_spaces()
                value = self._value(element, where)
            element.attributes.setdefault(name[0].lower(), value)

    def _value(self, element: _Open, where: str) -> str:
        text, start = self._text, self._at
        quote = text[start : start + 1]
        if quote not in {'"', "'"}:
            value = _UNQUOTED_VALUE.match(text, start)
            self._at = value.end() if value else start
            following = text[self._at : self._at + 1]
            if following and following not in SPACES and following != ">":
                raise unparsed(f"Unexpected end of name token at byte offset {octets(text[:start])}")
            return text[start : self._at].lower()
        end = text.find(quote, start + 1)
        if end < 0:
            raise unparsed(f'Unclosed start tag "{element.tag}" {where}')
        self._at = end + 1
        return _REFERENCE.sub(lambda reference: _decoded(reference) or reference[0], text[start + 1 : end])

    def _end_tag(self) -> None:
        text, where = self._text, f"at byte offset {octets(self._text[: self._at])}"
        if not self._open:
            raise unparsed(f"Unexpected end tag {where}")
        end = self._at + 2
        while end < len(text) and text[end] not in SPACES and text[end] != ">":
            end += 1
        tag = text[self._at + 2 : end].lower()
        self._at = end
        self._skip_spaces()
        if text[self._at : self._at + 1] != ">":
            raise unparsed(f"Unclosed end tag {where}")
        self._at += 1
        element = self._open.pop()
        if tag and tag != element.tag:
            raise unparsed(f'Unmatched end tag {where}, expected "</{element.tag}>", found "</{tag}>"')
        self._mark(element)

    def _mark(self, element: _Open) -> None:
        kind = _KINDS[element.tag]
        if kind == "text_link":
            links.mark(
                self._marked, element.offset, element.attributes.get("href") or self._marked.since(element.offset)
            )
        elif kind == "custom_emoji":
            if emoji := element.attributes.get("emoji-id", ""):
                self._marked.mark(kind, element.offset, custom_emoji_id=emoji)
        elif (
            kind == "code" and element.attributes.get("class", "").startswith("language-") and self._is_in_pre(element)
        ):
            self._open[-1].attributes["language"] = element.attributes["class"].removeprefix("language-")
        elif kind == "blockquote" and "expandable" in element.attributes:
            self._marked.mark("expandable_blockquote", element.offset)
        else:
            self._marked.mark(kind, element.offset, language=element.attributes.get("language", ""))

    def _is_in_pre(self, element: _Open) -> bool:
        return bool(self._open) and self._open[-1].tag == "pre" and self._open[-1].offset == element.offset

    def _skip_spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in SPACES:
            self._at += 1


def _decoded(reference: re.Match[str]) -> str:
    """Return the character that a reference names; empty if it names none. Raises RefusedError."""
    if reference[3]:
        return _NAMED_CHARACTERS[reference[3]]
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    if 0xD800 <= number < 0xE000:
        reason = "Text contains invalid Unicode characters after decoding HTML entities"
        raise unparsed(f"{reason}, check for unmatched surrogate code units")
    return chr(number) if 0 < number < 0x110000 else ""


def parse(text: str) -> Marked:
    """Return the text without its tags, and their entities. Raises RefusedError."""
    return _Parser(text).parse()
