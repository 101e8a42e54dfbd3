"""reply_markup and link_preview_options: what stands below a message and beside its links."""

from typing import Any, Final

from chat4all_simulator.telegram.methods.replies import decoded
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.strict import FieldError, text_of, truth

_BOOLEAN_FIELDS: Final = (
    "remove_keyboard",
    "force_reply",
    "selective",
    "is_persistent",
    "resize_keyboard",
    "one_time_keyboard",
)
_INLINE_ACTIONS: Final = ("url", "callback_data", "web_app", "login_url", "switch_inline_query", "pay", "copy_text")
_PREVIEW_FLAGS: Final = ("is_disabled", "prefer_small_media", "prefer_large_media", "show_above_text")


def preview(parameters: Parameters) -> dict[str, Any] | None:
    """Return the link preview options other than the defaults, None if there are none. Raises RefusedError."""
    source = parameters.text("link_preview_options")
    if not source:
        return {"is_disabled": True} if parameters.truth("disable_web_page_preview") else None
    value = decoded(source, "link preview options JSON object", "link preview options")
    try:
        options: dict[str, Any] = {name: True for name in _PREVIEW_FLAGS if truth(value, name)}
        url = text_of(value, "url", required=False)
    except FieldError as error:
        raise bad(str(error)) from None
    return options | ({"url": url} if url else {}) or None


def read(parameters: Parameters) -> dict[str, Any] | None:
    """Return the inline keyboard, the only one that a message shows again; None: there is none. Raises RefusedError."""
    source = parameters.text("reply_markup")
    if not source:
        return None
    value = decoded(source, "reply keyboard markup JSON object", "reply markup")
    try:
        for name in _BOOLEAN_FIELDS:
            truth(value, name)
    except FieldError as error:
        raise bad(str(error)) from None
    if "keyboard" in value:
        for button in _buttons(value["keyboard"], "keyboard", 'field "keyboard" must be an Array of Arrays'):
            _check_plain(button)
    if "inline_keyboard" not in value:
        return None
    rows = value["inline_keyboard"]
    reason = 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
    for button in _buttons(rows, "inline_keyboard", reason):
        _check_inline(button)
    rows = [row for row in rows if row]
    return {"inline_keyboard": rows} if rows else None


def _buttons(rows: Any, name: str, reason: str) -> list[Any]:
    if not isinstance(rows, list):
        raise bad(f'field "{name}" must be of type Array')
    if not all(isinstance(row, list) for row in rows):
        raise bad(reason)
    return [button for row in rows for button in row]


def _check_plain(button: Any) -> None:
    if isinstance(button, dict):
        _check_text(button, "can't parse keyboard button")
    elif not isinstance(button, str):
        raise bad("can't parse keyboard button: KeyboardButton must be a String or an Object")


def _check_inline(button: Any) -> None:
    reason = "can't parse inline keyboard button"
    if not isinstance(button, dict):
        raise bad(f"{reason}: InlineKeyboardButton must be an Object")
    _check_text(button, reason)
    if not any(name in button for name in _INLINE_ACTIONS):
        raise bad(f"{reason}: Text buttons are unallowed in the inline keyboard")


def _check_text(button: dict[str, Any], reason: str) -> None:
    try:
        text_of(button, "text")
    except FieldError as error:
        raise bad(f"{reason}: {error}") from None
