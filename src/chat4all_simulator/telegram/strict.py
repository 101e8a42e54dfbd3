"""Fields of JSON objects in parameters, which are typed strictly."""

from typing import Any


class FieldError(Exception):
    """A field that is not as it has to be; the text is the API's."""


def integer(value: dict[str, Any], name: str) -> int:
    """A number, or a text that is one. Raises FieldError."""
    found = _required(value, name)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise FieldError(f'Field "{name}" must be a Number')
    try:
        return int(str(found))
    except ValueError:
        raise FieldError(f'Field "{name}" must be a valid Number') from None


def text_of(value: dict[str, Any], name: str, *, required: bool = True) -> str:
    """A text; a number is taken as its text. Raises FieldError."""
    if not required and name not in value:
        return ""
    found = _required(value, name)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise FieldError(f'Field "{name}" must be of type String')
    return str(found)


def truth(value: dict[str, Any], name: str) -> bool:
    """No, if it is not there. Raises FieldError."""
    found = value.get(name, False)
    if not isinstance(found, bool):
        raise FieldError(f'Field "{name}" must be of type Boolean')
    return found


def _required(value: dict[str, Any], name: str) -> Any:
    if name not in value:
        raise FieldError(f'Can\'t find field "{name}"')
    return value[name]
