"""Where texts are cut."""

import pytest

from chat4all_operator.texts import cut

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # one character of five code points


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        (f"ab{FAMILY}", 7, f"ab{FAMILY}"),
        (f"ab{FAMILY}", 6, "ab"),
        (f"ab{FAMILY}c", 7, f"ab{FAMILY}"),
        ("abe\u0301", 3, "ab"),
        (FAMILY, 4, FAMILY[:4]),
    ],
)
def test_a_text_is_cut_between_characters(text: str, most: int, left: str) -> None:
    assert cut(text, most) == left
