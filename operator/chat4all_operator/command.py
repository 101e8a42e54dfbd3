"""`chat4all operator`: the role that turns resources of Kubernetes into running connectors."""

import asyncio
from typing import Annotated

import typer


def run(
    leave: Annotated[
        bool,
        typer.Option(
            "--leave", help="Stop the operator, remove finalizers and let connectors stand still: before an uninstall."
        ),
    ] = False,
) -> None:
    """Run the operator of one namespace: ChannelConnectors become running connectors.

    The chart deploys it and sets CHAT4ALL_OPERATOR__NAMESPACE and the others; docs/operator.md has the resource and
    every condition. Outside of a pod it connects as KUBECONFIG says. /livez, /readyz and /metrics are on
    CHAT4ALL_OPERATOR__PORT.

    Example: chat4all operator
    """
    # Imported only here: the other commands of chat4all start much quicker without kopf and the Kubernetes client.
    from chat4all_operator import process  # noqa: PLC0415 - it starts quicker without

    if leave:
        typer.echo(asyncio.run(process.leave()))
    else:
        asyncio.run(process.run())
