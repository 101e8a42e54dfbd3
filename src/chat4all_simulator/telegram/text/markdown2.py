"""parse_mode MarkdownV2: entities nest, and every reserved character must mark something or be escaped."""

from dataclasses import dataclass
from typing import Final

from chat4all_simulator.telegram.text import links
from chat4all_simulator.telegram.text.markdown import begin_of_pre
from chat4all_simulator.telegram.text.marked import Marked, octets, unparsed

_RESERVED: Final = frozenset("_*[]()~`>#+-=|{}.!")
_ERROR_NAMES: Final = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "BlockQuote",
}
# The longer ones first: __ is always read as underline.
_OPENING_MARKS: Final = (
    ("```", "pre"),
    ("__", "underline"),
    ("||", "spoiler"),
    ("![", "custom_emoji"),
    ("_", "italic"),
    ("*", "bold"),
    ("~", "strikethrough"),
    ("`", "code"),
    ("[", "text_link"),
)
_CLOSING_MARKS: Final = {
    "pre": "```",
    "underline": "__",
    "spoiler": "||",
    "custom_emoji": "]",
    "italic": "_",
    "bold": "*",
    "strikethrough": "~",
    "code": "`",
    "text_link": "]",
}


@dataclass
class _Open:
    """An entity whose end is still to come; `at`: where it begins in the source, `offset`: in the text that is made."""

    kind: str
    at: int
    offset: int
    language: str = ""


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[_Open] = []
        self._marked = Marked()

    def parse(self) -> Marked:
        while self._at < len(self._text):
            self._step()
        self._end_quote()
        if self._open:
            last = self._open[-1]
            name = "PreCode" if last.language else _ERROR_NAMES[last.kind]
            raise unparsed(f"Can't find end of {name} entity at byte offset {octets(self._text[: last.at])}")
        return self._marked

    def _step(self) -> None:
        text, at = self._text, self._at
        char = text[at]
        if char == "\\" and "\x01" <= text[at + 1 : at + 2] <= "\x7e":
            self._write(text[at + 1], 2)
        elif self._in_code() and char != "`":
            self._write(char, 1)
        elif char == "\n":
            self._new_line()
        elif char not in _RESERVED:
            self._write(char, 1)
        elif self._is_end():
            self._close()
        else:
            self._begin(char)

    def _write(self, text: str, source_length: int) -> None:
        self._marked.write(text)
        self._at += source_length

    def _in_code(self) -> bool:
        return bool(self._open) and self._open[-1].kind in {"code", "pre"}

    def _is_end(self) -> bool:
        if not self._open:
            return False
        kind = self._open[-1].kind
        end = _CLOSING_MARKS.get(kind)
        if end is None or not self._text.startswith(end, self._at):
            return False
        return not (kind == "italic" and self._text.startswith("__", self._at))

    def _begin(self, char: str) -> None:
        if char == ">" and self._is_line_start() and not self._open:
            self._open.append(_Open("blockquote", self._at, self._marked.length))
            self._at += 1
            return
        for mark, kind in _OPENING_MARKS:
            if self._text.startswith(mark, self._at) and not (self._in_code()):
                entity = _Open(kind, self._at, self._marked.length)
                self._at += len(mark)
                if kind == "pre":
                    self._at, entity.language = begin_of_pre(self._text, self._at)
                self._open.append(entity)
                return
        if self._in_code():  # a ` or `` within a block
            self._write(char, 1)
            return
        raise unparsed(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _close(self) -> None:
        entity = self._open.pop()
        self._at += len(_CLOSING_MARKS[entity.kind])
        if entity.kind == "text_link":
            url = self._url()
            links.mark(self._marked, entity.offset, self._marked.since(entity.offset) if url is None else url)
        elif entity.kind == "custom_emoji":
            emoji = links.emoji(self._url() or "")
            if not emoji:
                raise unparsed("The entity must contain a tg://emoji or tg://time URL")
            self._marked.mark("custom_emoji", entity.offset, custom_emoji_id=emoji)
        else:
            self._marked.mark(entity.kind, entity.offset, language=entity.language)

    def _url(self) -> str | None:
        """Return what stands in (…) behind a link's text; None if nothing does. Raises RefusedError."""
        text = self._text
        if text[self._at : self._at + 1] != "(":
            return None
        start = self._at + 1
        url, at = "", start
        while at < len(text) and text[at] != ")":
            if text[at] == "\\" and "\x01" <= text[at + 1 : at + 2] <= "\x7e":
                at += 1
            url += text[at]
            at += 1
        if at >= len(text):
            raise unparsed(f"Can't find end of a URL at byte offset {octets(text[:start])}")
        self._at = at + 1
        return url

    def _is_line_start(self) -> bool:
        return self._at == 0 or self._text[self._at - 1] == "\n"

    def _new_line(self) -> None:
        """Go on with a quote in the next line if that begins with > too; else end it."""
        if self._open and self._open[0].kind == "blockquote":
            if self._text[self._at + 1 : self._at + 2] == ">":
                self._write("\n", 2)
                return
            self._end_quote()
        self._write("\n", 1)

    def _end_quote(self) -> None:
        if len(self._open) == 1 and self._open[0].kind == "blockquote":
            self._marked.mark("blockquote", self._open.pop().offset)


def parse(text: str) -> Marked:
    """Return the text without its marks, and their entities. Raises RefusedError."""
    return _Parser(text).parse()
