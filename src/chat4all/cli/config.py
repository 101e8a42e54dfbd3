"""chat4all config shows every setting, and what the environment makes of it."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chat4all.cli import output
from chat4all.cli.options import Json
from chat4all.client import AnswerError

if TYPE_CHECKING:
    from chat4all.processes.config import SettingDescription

NAME = "config"

_NAME_COLUMNS: Final = 40  # enough for the longest name
_MAX_READABLE_COLUMNS: Final = 80  # nobody reads longer lines with ease


def run(
    word: Annotated[
        str, typer.Argument(metavar="SECTION|WORD", help="Only this section, or settings with this word in them.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Show every setting of the server.

    Its variable, default, unit and meaning. A setting is set by its variable in the server's environment; what is
    set in the environment of this command is marked with *.

    Example: chat4all config gateway
    """
    # Imported only here: the client commands start much quicker without the server.
    from chat4all.processes import config  # noqa: PLC0415 - it starts quicker without

    settings = matching(list(config.described(config.load())), word)
    if not settings:
        raise AnswerError(f"No setting has {word} in it. All of them: chat4all config")
    if as_json:
        output.emit([one._asdict() for one in settings])
    else:
        output.tables().print(table(settings))


def matching(settings: Sequence["SettingDescription"], word: str) -> list["SettingDescription"]:
    """Return the settings of the section of this name; without one, those with this word in name, unit or meaning."""
    needle = word.lower()
    section = [one for one in settings if one.section == needle]
    return section or [one for one in settings if needle in f"{one.variable} {one.unit} {one.description}".lower()]


def table(settings: Sequence["SettingDescription"]) -> Table:
    """Return a table of the settings by section: variable and meaning, then the default and what is set instead."""
    grid = Table(box=None, pad_edge=False)
    grid.add_column("setting", min_width=_NAME_COLUMNS, max_width=_MAX_READABLE_COLUMNS)
    grid.add_column("default, and what is set instead", overflow="fold")
    for (section, about), ones in itertools.groupby(settings, key=lambda one: (one.section, one.about)):
        grid.add_row(Text.assemble("\n", (section, "bold"), f": {about}"))
        for one in ones:
            meaning = Padding(Text(one.description), (0, 0, 0, 2))
            grid.add_row(Group(Text(one.variable, "cyan"), meaning), _values(one))
    return grid


def _values(one: "SettingDescription") -> Text:
    default = Text.assemble(_shown(one.default), f" {one.unit}")
    if not one.changed:
        return default
    return Text.assemble(default, ("\n* set: ", "bold yellow"), _shown(one.value), f" {one.unit}")


def _shown(value: Any) -> Text:
    if value in (None, ""):
        return Text("unset" if value is None else "empty", "dim")
    return Text(output.plain(str(value)))
