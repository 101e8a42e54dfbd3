"""chat4all doctor says what is wrong with the engines, and what to do."""

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit, plain

NAME = "doctor"


def run(as_json: Json = False) -> None:
    """Look at every engine of distributed mode: version, latency, topics, schema, clock.

    Says what is wrong and what to do. Exit code 1 if anything is wrong. With --json: a list of
    {"part", "well", "wrong", "advice"}.

    Example: chat4all doctor
    """
    # Imported only here: the client commands start much quicker without the engines.
    from chat4all.processes import maintenance  # noqa: PLC0415 - it starts quicker without

    findings = []
    for one in maintenance.examine():
        findings.append(one)
        if not as_json:
            typer.echo(plain(f"{one.part:10} {'WRONG: ' + one.wrong if one.wrong else 'OK: ' + one.well}"))
            if one.advice:
                typer.echo(plain(f"{'':10} {one.advice}"))
    if as_json:
        emit([one._asdict() for one in findings])
    if any(one.wrong for one in findings):
        raise typer.Exit(1)
