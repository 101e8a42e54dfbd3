"""Whether an object in the cluster is what was applied: every field of ours is there with our value.

Fields of others do not count.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

_SUFFIXES: Final[dict[str, Decimal]] = {
    "": Decimal(1),
    **{name: Decimal(1000) ** power for name, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)},
    **{f"{name}i": Decimal(1024) ** power for power, name in enumerate("KMGTPE", 1)},
}
_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?"
)
# By which the items of a list are told apart: the first that does.
_KEYS: Final = ("name", "mountPath", "containerPort", "topologyKey", "uid")
# What the API server leaves out where it is false or 0; other fields of pods it keeps, and there it means something.
_OMITTED: Final = {
    *("hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "stdinOnce", "tty", "hostPort", "initialDelaySeconds"),
}
_QUANTITIES: Final = {"requests", "limits", "sizeLimit", "storage", "divisor"}  # below these, values are quantities


def covers(found: object, wanted: object, *, quantity: bool = False) -> bool:
    """Return whether everything that is wanted stands in what was found. `quantity`: whether texts are quantities."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            covers(found[key], one, quantity=quantity or key in _QUANTITIES) if key in found else _is_left_out(key, one)
            for key, one in wanted.items()
        )
    if isinstance(wanted, list):
        return _covers_list(found, wanted)
    if quantity and wanted != found:
        return _amount(wanted) is not None and _amount(wanted) == _amount(found)
    return wanted == found or (_is_empty(wanted) and _is_empty(found))


def picked(found: Any, wanted: Any) -> Any:
    """Return what was found where something is wanted: our fields, with the server's values."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return {key: picked(found[key], one) for key, one in wanted.items() if key in found}
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [picked(a, b) for a, b in zip(found, wanted, strict=True)]
    return found


def _covers_list(found: object, wanted: Sequence[Any]) -> bool:
    if not isinstance(found, list):
        return not wanted and found is None
    key = next((one for one in _KEYS if _tells_apart(one, wanted)), None)
    if key is None or not wanted:
        return len(found) == len(wanted) and all(covers(a, b) for a, b in zip(found, wanted, strict=True))
    there = [item for item in found if isinstance(item, Mapping) and key in item]
    return all(any(item[key] == one[key] and covers(one, item) for one in there) for item in wanted)


def _tells_apart(key: str, items: Sequence[Any]) -> bool:
    values = [item[key] for item in items if isinstance(item, Mapping) and key in item]
    return len(values) == len(items) and all(one not in values[:number] for number, one in enumerate(values))


def _is_left_out(key: str, value: object) -> bool:
    return _is_empty(value) or (key in _OMITTED and not value)


def _is_empty(value: object) -> bool:
    """What the API server leaves out where nothing is in it."""
    return value is None or (isinstance(value, Mapping | list | str) and not value)


def _amount(value: object) -> Decimal | None:
    found = _QUANTITY.fullmatch(str(value))
    return Decimal(found[1]) * _SUFFIXES[found[2] or ""] if found else None
