"""`python -m chat4all_operator` is `chat4all operator`."""

import typer

from chat4all_operator.command import run

if __name__ == "__main__":
    typer.run(run)
