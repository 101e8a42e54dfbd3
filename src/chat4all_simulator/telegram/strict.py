"""Fields of JSON objects in parameters, which are typed strictly."""

from typing import Any


class FieldError(Exception):
    """A field is not as it has to be; the text is the API's."""


def integer(value: dict[str, Any], name: str) -> int:
    """Return a field that is a number, or a text that is one. Raises FieldError."""
    field = _required(value, name)
    if isinstance(field, bool) or not isinstance(field, int | float | str):
        raise FieldError(f'Field "{name}" must be a Number')
    try:
        return int(str(field))
    except ValueError:
        raise FieldError(f'Field "{name}" must be a valid Number') from None


def text_of(value: dict[str, Any], name: str, *, required: bool = True) -> str:
    """Return a field that is a text; a number is taken as its text. Raises FieldError."""
    if not required and name not in value:
        return ""
    field = _required(value, name)
    if isinstance(field, bool) or not isinstance(field, int | float | str):
        raise FieldError(f'Field "{name}" must be of type String')
    return str(field)


def truth(value: dict[str, Any], name: str) -> bool:
    """Return a field that is true or false, False if it is not there. Raises FieldError."""
    field = value.get(name, False)
    if not isinstance(field, bool):
        raise FieldError(f'Field "{name}" must be of type Boolean')
    return field


def _required(value: dict[str, Any], name: str) -> Any:
    if name not in value:
        raise FieldError(f'Can\'t find field "{name}"')
    return value[name]
