"""chat4all config: every setting, and what the environment makes of it."""

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
    from chat4all.processes.config import Described

NAME = "config"

_NAME: Final = 40  # columns, enough for the longest name
_READABLE: Final = 80  # columns, more of which nobody reads with ease


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
    from chat4all.processes import config  # noqa: PLC0415 - see above

    settings = matching(list(config.described(config.load())), word)
    if not settings:
        raise AnswerError(f"No setting has {word} in it. All of them: chat4all config")
    if as_json:
        output.emit([one._asdict() for one in settings])
    else:
        output.tables().print(table(settings))


def matching(settings: Sequence["Described"], word: str) -> list["Described"]:
    """The settings of the section of this name; where there is none, those with this word in name, unit or meaning."""
    wanted = word.lower()
    section = [one for one in settings if one.section == wanted]
    return section or [one for one in settings if wanted in f"{one.variable} {one.unit} {one.description}".lower()]


def table(settings: Sequence["Described"]) -> Table:
    """Under each section its settings: variable and meaning to the left; default, and what is set instead, after it."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("setting", min_width=_NAME, max_width=_READABLE)
    drawn.add_column("default, and what is set instead", overflow="fold")
    for (section, about), ones in itertools.groupby(settings, key=lambda one: (one.section, one.about)):
        drawn.add_row(Text.assemble("\n", (section, "bold"), f": {about}"))
        for one in ones:
            meaning = Padding(Text(one.description), (0, 0, 0, 2))
            drawn.add_row(Group(Text(one.variable, "cyan"), meaning), _values(one))
    return drawn


def _values(one: "Described") -> Text:
    default = Text.assemble(_shown(one.default), f" {one.unit}")
    if not one.changed:
        return default
    return Text.assemble(default, ("\n* set: ", "bold yellow"), _shown(one.value), f" {one.unit}")


def _shown(value: Any) -> Text:
    if value in (None, ""):
        return Text("unset" if value is None else "empty", "dim")
    return Text(output.plain(str(value)))
