"""chat4all users finds, creates and changes people and programs."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, AnswerError, Client
from chat4all.directory.port import Role

NAME = "users"

PasswordFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Take the user's password from this file; -: from standard input.", dir_okay=False
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]

_MAX_PASSWORD_CHARACTERS: Final = 4096  # more is not read; the server says what is too long

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Find, create and change users.

    Example: chat4all users find
    """


@app.command()
def find(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The beginning of their names.")] = "",
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List users by name.

    Agents and admins find by the beginning of a name, others by all of it.

    Example: chat4all users find an
    """
    path = f"/v1/users?{urlencode({'q': query, 'limit': 200})}"
    users = listing.fetch(Client(url, username, password), path)
    if as_json:
        output.emit(users)
    else:
        nothing = "There is no such user." if query else "Give a whole name: only agents and admins see who is here."
        listing.show([_row(user) for user in users], nothing)


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="Other than user: only admins may.")] = Role.USER,
    email: Annotated[str | None, typer.Option(help="Where mail reaches the user.")] = None,
    password_file: PasswordFile = None,
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Create a user.

    Asks for the new password on the terminal, unless a file has it.

    Example: chat4all users add carla --role agent --email carla@example.com
    """
    new = {"username": name, "password": _new_password(name, password_file), "role": role}
    user = listing.ask(Client(url, username, password), "POST", "/v1/users", new | _given(email=email))
    _say(user, "Created", as_json=as_json)


@app.command(name="set")
def change(
    name: Name,
    role: Annotated[Role | None, typer.Option(help="What the user may do from now on.")] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="Ask for a new password.")] = False,
    password_file: PasswordFile = None,
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Change a user's role or password.

    It holds from the next login on. Only admins may.

    Example: chat4all users set carla --role admin
    """
    secret = _new_password(name, password_file) if new_password or password_file else None
    changes = _given(role=role, password=secret)
    if not changes:
        raise AnswerError("Say what to change: --role, --new-password (asks for it) or --password-file.")
    path = f"/v1/users/{quote(name, safe='')}"
    _say(listing.ask(Client(url, username, password), "PATCH", path, changes), "Changed", as_json=as_json)


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _new_password(name: str, file: Path | None) -> str:
    """Return the password from the file, without the end of its line, or ask for it twice. It is never an argument, for
    other users of the machine could see it there."""
    if file is not None:
        return _read(file).removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise AnswerError("There is no terminal to ask for the password on. Give it with --password-file FILE, or -.")
    answer: str = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def _read(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.read(_MAX_PASSWORD_CHARACTERS)
        with file.open(encoding="utf-8") as text:
            return text.read(_MAX_PASSWORD_CHARACTERS)
    except OSError as error:
        raise AnswerError(f"Cannot read the password from {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise AnswerError(f"The password in {file} is not in UTF-8.") from error


def _row(user: dict[str, Any]) -> dict[str, str]:
    return {"name": user["username"], "role": user["role"], "e-mail": user["email"] or ""}


def _say(user: dict[str, Any], verb: str, *, as_json: bool) -> None:
    if as_json:
        output.emit(user)
    else:
        typer.echo(f"{verb} {output.plain(user['username'])} ({user['role']}).")
