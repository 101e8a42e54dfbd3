"""chat4all completion prints what makes the Tab key complete commands and options."""

from typing import Annotated, Literal

import typer

# Typer documents no other way than an option that guesses the shell.
from typer.completion import get_completion_script  # type: ignore[attr-defined]

NAME = "completion"


def run(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> None:
    """Print your shell's completion script.

    It completes commands and options. Load it in the shell's start-up file.

    \b
    Example: source <(chat4all completion bash)    # in ~/.bashrc
             source <(chat4all completion zsh)     # in ~/.zshrc, after compinit
             chat4all completion fish | source     # in ~/.config/fish/config.fish
    """
    typer.echo(get_completion_script(prog_name="chat4all", complete_var="_CHAT4ALL_COMPLETE", shell=shell))
