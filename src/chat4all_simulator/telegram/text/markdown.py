"""parse_mode Markdown, the old one: nothing nests, and only a missing end is an error."""

from typing import Final

from chat4all_simulator.telegram.text import links
from chat4all_simulator.telegram.text.marked import SPACES, Marked, octets, unparsed

_KINDS: Final = {"_": "italic", "*": "bold"}


def parse(text: str) -> Marked:
    """Return the text without its marks, and their entities. Raises RefusedError."""
    marked, at = Marked(), 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in {"_", "*", "`", "["}:
            marked.write(text[at + 1])
            at += 2
        elif char in "_*`[":
            at = _entity(text, at, marked)
        else:
            marked.write(char)
            at += 1
    return marked


def _entity(text: str, at: int, marked: Marked) -> int:
    """Read the entity that begins there; return where the text goes on behind it. Raises RefusedError."""
    char, start, offset = text[at], at, marked.length
    if text.startswith("```", at):
        at, language = begin_of_pre(text, at + 3)
        end = text.find("```", at)
    else:
        at, language = at + 1, ""
        end = text.find("]" if char == "[" else char, at)
    if end < 0:
        raise unparsed(f"Can't find end of the entity starting at byte offset {octets(text[:start])}")
    marked.write(text[at:end])
    if char == "[":
        return _link(text, end + 1, marked, offset)
    if text.startswith("```", start):
        marked.mark("pre", offset, language=language)
        return end + 3
    marked.mark(_KINDS.get(char, "code"), offset)
    return end + 1


def _link(text: str, at: int, marked: Marked, offset: int) -> int:
    if text[at : at + 1] != "(":
        links.mark(marked, offset, marked.since(offset))
        return at
    end = text.find(")", at)
    end = len(text) if end < 0 else end
    links.mark(marked, offset, text[at + 1 : end])
    return end + 1


def begin_of_pre(text: str, at: int) -> tuple[int, str]:
    """Return where the content of a block of code begins, and its language, which stands before the first space."""
    end = at
    while end < len(text) and text[end] not in SPACES and text[end] != "`":
        end += 1
    language = ""
    if end < len(text) and text[end] != "`":
        language, at = text[at:end], end
    if text.startswith("\r\n", at):
        at += 2
    elif text[at : at + 1] in {"\n", "\r"}:
        at += 1
    return at, language
