"""Defines the arguments and options that several commands share."""

from typing import Annotated, Final

import typer

Chat = Annotated[str, typer.Argument(metavar="CHAT", help="A user name, several with commas, or a conversation's id.")]
Url = Annotated[str, typer.Option("--url", envvar="CHAT4ALL_URL", help="Where the server is.")]
As = Annotated[str, typer.Option("--as", envvar="CHAT4ALL_USER", help="Who you are.")]
Password = Annotated[
    str, typer.Option(envvar="CHAT4ALL_PASSWORD", help="Your password; the demo users' is demo.", show_default=False)
]
JSON_FLAG: Final = "--json"
Json = Annotated[bool, typer.Option(JSON_FLAG, help="For programs: JSON, and nothing else.")]
