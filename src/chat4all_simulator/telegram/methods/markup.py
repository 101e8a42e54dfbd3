"""reply_markup and link_preview_options: what stands below a message and beside its links."""

from typing import Any, Final

from chat4all_simulator.telegram.methods.replies import decoded
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.strict import FieldError, text_of, truth

_TRUTHS: Final = (
    "remove_keyboard",
    "force_reply",
    "selective",
    "is_persistent",
    "resize_keyboard",
    "one_time_keyboard",
)
_INLINE: Final = ("url", "callback_data", "web_app", "login_url", "switch_inline_query", "pay", "copy_text")
_PREVIEW: Final = ("is_disabled", "prefer_small_media", "prefer_large_media", "show_above_text")


def preview(parameters: Parameters) -> dict[str, Any] | None:
    """The options that are not as they are anyway. Raises RefusedError."""
    given = parameters.text("link_preview_options")
    if not given:
        return {"is_disabled": True} if parameters.truth("disable_web_page_preview") else None
    value = decoded(given, "link preview options JSON object", "link preview options")
    try:
        kept: dict[str, Any] = {name: True for name in _PREVIEW if truth(value, name)}
        url = text_of(value, "url", required=False)
    except FieldError as error:
        raise bad(str(error)) from None
    return kept | ({"url": url} if url else {}) or None


def read(parameters: Parameters) -> dict[str, Any] | None:
    """The inline keyboard, the only one that a message shows again. Raises RefusedError."""
    given = parameters.text("reply_markup")
    if not given:
        return None
    value = decoded(given, "reply keyboard markup JSON object", "reply markup")
    try:
        for name in _TRUTHS:
            truth(value, name)
    except FieldError as error:
        raise bad(str(error)) from None
    if "keyboard" in value:
        for button in _buttons(value["keyboard"], "keyboard", 'field "keyboard" must be an Array of Arrays'):
            _check_plain(button)
    if "inline_keyboard" not in value:
        return None
    rows = value["inline_keyboard"]
    wrong = 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
    for button in _buttons(rows, "inline_keyboard", wrong):
        _check_inline(button)
    kept = [row for row in rows if row]
    return {"inline_keyboard": kept} if kept else None


def _buttons(rows: Any, name: str, wrong: str) -> list[Any]:
    if not isinstance(rows, list):
        raise bad(f'field "{name}" must be of type Array')
    if not all(isinstance(row, list) for row in rows):
        raise bad(wrong)
    return [button for row in rows for button in row]


def _check_plain(button: Any) -> None:
    if isinstance(button, dict):
        _check_text(button, "can't parse keyboard button")
    elif not isinstance(button, str):
        raise bad("can't parse keyboard button: KeyboardButton must be a String or an Object")


def _check_inline(button: Any) -> None:
    wrong = "can't parse inline keyboard button"
    if not isinstance(button, dict):
        raise bad(f"{wrong}: InlineKeyboardButton must be an Object")
    _check_text(button, wrong)
    if not any(name in button for name in _INLINE):
        raise bad(f"{wrong}: Text buttons are unallowed in the inline keyboard")


def _check_text(button: dict[str, Any], wrong: str) -> None:
    try:
        text_of(button, "text")
    except FieldError as error:
        raise bad(f"{wrong}: {error}") from None
