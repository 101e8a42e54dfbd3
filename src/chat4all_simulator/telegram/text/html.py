"""parse_mode HTML: some tags, strictly nested, and four named character references."""

import re
from dataclasses import dataclass, field
from typing import Final

from chat4all_simulator.telegram.text import links
from chat4all_simulator.telegram.text.marked import SPACES, Marked, octets, unparsed

_TAGS: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "span": "spoiler",
    "blockquote": "blockquote", "code": "code", "pre": "pre", "a": "text_link", "tg-emoji": "custom_emoji",
}  # fmt: skip
_REFERENCE: Final = re.compile(r"&(?:#x([0-9a-fA-F]{1,8});?|#([0-9]{1,10});?|(lt|gt|amp|quot);?)")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_ATTRIBUTE: Final = re.compile(r"[^\s=>/\"']*")
_BARE: Final = re.compile(r"[A-Za-z0-9.\-]*")


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
        found = _REFERENCE.match(self._text, self._at)
        char = _decoded(found) if found else ""
        if found is None or not char:
            self._marked.write("&")
            self._at += 1
            return
        self._marked.write(char)
        self._at = found.end()

    def _start_tag(self) -> None:
        begun = self._at
        where = f"at byte offset {octets(self._text[:begun])}"
        end = begun + 1
        while end < len(self._text) and self._text[end] not in SPACES and self._text[end] != ">":
            end += 1
        if end == len(self._text):
            raise unparsed(f"Unclosed start tag {where}")
        tag = self._text[begun + 1 : end].lower()
        if tag not in _TAGS:
            raise unparsed(f'Unsupported start tag "{tag}" {where}')
        opened = _Open(tag, self._marked.length)
        self._at = end
        self._attributes(opened, where)
        if tag == "span" and opened.attributes.get("class") != "tg-spoiler":
            raise unparsed(f'Tag "span" must have class "tg-spoiler" {where}')
        self._open.append(opened)

    def _attributes(self, opened: _Open, where: str) -> None:
        text = self._text
        while True:
            self._skip_spaces()
            if self._at >= len(text):
                raise unparsed(f'Unclosed start tag "{opened.tag}" {where}')
            if text[self._at] == ">":
                self._at += 1
                return
            name = _ATTRIBUTE.match(text, self._at)
            if name is None or not name[0]:
                raise unparsed(f'Empty attribute name in the tag "{opened.tag}" {where}')
            self._at = name.end()
            self._skip_spaces()
            value = ""
            if text[self._at : self._at + 1] == "=":
                self._at += 1
                self._skip_spaces()
                value = self._value(opened, where)
            opened.attributes.setdefault(name[0].lower(), value)

    def _value(self, opened: _Open, where: str) -> str:
        text, begun = self._text, self._at
        quote = text[begun : begun + 1]
        if quote not in {'"', "'"}:
            bare = _BARE.match(text, begun)
            self._at = bare.end() if bare else begun
            following = text[self._at : self._at + 1]
            if following and following not in SPACES and following != ">":
                raise unparsed(f"Unexpected end of name token at byte offset {octets(text[:begun])}")
            return text[begun : self._at].lower()
        end = text.find(quote, begun + 1)
        if end < 0:
            raise unparsed(f'Unclosed start tag "{opened.tag}" {where}')
        self._at = end + 1
        return _REFERENCE.sub(lambda found: _decoded(found) or found[0], text[begun + 1 : end])

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
        opened = self._open.pop()
        if tag and tag != opened.tag:
            raise unparsed(f'Unmatched end tag {where}, expected "</{opened.tag}>", found "</{tag}>"')
        self._mark(opened)

    def _mark(self, opened: _Open) -> None:
        kind = _TAGS[opened.tag]
        if kind == "text_link":
            links.mark(self._marked, opened.offset, opened.attributes.get("href") or self._marked.since(opened.offset))
        elif kind == "custom_emoji":
            if emoji := opened.attributes.get("emoji-id", ""):
                self._marked.mark(kind, opened.offset, custom_emoji_id=emoji)
        elif kind == "code" and opened.attributes.get("class", "").startswith("language-") and self._is_in_pre(opened):
            self._open[-1].attributes["language"] = opened.attributes["class"].removeprefix("language-")
        elif kind == "blockquote" and "expandable" in opened.attributes:
            self._marked.mark("expandable_blockquote", opened.offset)
        else:
            self._marked.mark(kind, opened.offset, language=opened.attributes.get("language", ""))

    def _is_in_pre(self, opened: _Open) -> bool:
        return bool(self._open) and self._open[-1].tag == "pre" and self._open[-1].offset == opened.offset

    def _skip_spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in SPACES:
            self._at += 1


def _decoded(found: re.Match[str]) -> str:
    """The character that is meant; empty: none."""
    if found[3]:
        return _NAMED[found[3]]
    number = int(found[1], 16) if found[1] else int(found[2])
    if 0xD800 <= number < 0xE000:
        reason = "Text contains invalid Unicode characters after decoding HTML entities"
        raise unparsed(f"{reason}, check for unmatched surrogate code units")
    return chr(number) if 0 < number < 0x110000 else ""


def parse(text: str) -> Marked:
    """Raises RefusedError."""
    return _Parser(text).parse()
