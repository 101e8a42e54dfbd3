"""Long texts in parts."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from chat4all.channels.kit.splitting import size, split

FAMILY = "👩‍👩‍👧‍👦"  # eleven UTF-16 code units, one sign
CASES = [
    ("short enough", "hello", 10, "utf16", ["hello"]),
    ("nothing but space", " \n\t ", 10, "utf16", []),
    ("exactly", "0123456789", 10, "utf16", ["0123456789"]),
    ("at a word", "hello big world", 10, "utf16", ["hello big", "world"]),
    ("at a line rather than a word", "one two\nthree four", 12, "utf16", ["one two", "three four"]),
    ("not at a line that is early", "a\nbcd efg hij", 10, "utf16", ["a\nbcd efg", "hij"]),
    ("where there is no space", "0123456789abc", 10, "utf16", ["0123456789", "abc"]),
    ("emoji count twice", "😀😀😀", 4, "utf16", ["😀😀", "😀"]),
    ("emoji count once", "😀😀😀", 2, "characters", ["😀😀", "😀"]),
    ("emoji count four", "😀😀😀", 8, "bytes", ["😀😀", "😀"]),
    ("a family is not parted", f"ab{FAMILY}c", 12, "utf16", ["ab", f"{FAMILY}c"]),
    ("an accent stays with its letter", "ae\u0301", 2, "utf16", ["a", "e\u0301"]),
    ("a line end of two characters", "abc\r\ndef", 5, "utf16", ["abc", "def"]),
    ("what is too long for one sign", "a" + "\u0301" * 5, 3, "utf16", ["a\u0301\u0301", "\u0301" * 3]),
]


@pytest.mark.parametrize(("text", "limit", "unit", "parts"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_a_text_is_cut_where_a_reader_would_cut_it(text, limit, unit, parts):
    assert split(text, limit, unit) == parts


SIGNS = ["a", "b", " ", "\n", "é", "e\u0301", "😀", FAMILY, "ع", "\r\n"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=100).map("".join)


@given(TEXTS, st.integers(11, 40), st.sampled_from(["utf16", "characters", "bytes"]))
def test_parts_say_the_same_and_fit(text, limit, unit):
    limit += 14  # a family is 25 bytes
    parts = split(text, limit, unit)
    assert all(part.strip() and size(part, unit) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@given(TEXTS, st.integers(25, 40))
def test_no_sign_is_parted(text, limit):
    signs = [one for one in regex.findall(r"\X", text) if one.strip()]
    found = [one for part in split(text, limit, "bytes") for one in regex.findall(r"\X", part) if one.strip()]
    assert found == signs
