"""The settings of channels and their connectors."""

import socket
from pathlib import Path

import pydantic


class ChannelsSettings(pydantic.BaseModel):
    """Channels, where there is no Kubernetes to say which connectors run."""

    port: int = pydantic.Field(
        8010,
        ge=0,
        le=65_535,
        json_schema_extra={"unit": "TCP port"},
        description="Port that providers' posts come to, in a connector that is a process of its own.",
    )
    folder: Path = pydantic.Field(
        Path("connectors"), description="Where ChannelConnectors and their Secrets stand, in YAML files."
    )
    connector: str = pydantic.Field(
        "",
        description="The one connector that this process runs, by its id, as local.support; empty: all of the folder, "
        "and those that are in it no more are forgotten.",
    )
    public_url: str = pydantic.Field(
        "", description="Where providers reach this server, as https://hub.example; without it connectors poll."
    )
    simulator: str = pydantic.Field(
        "",
        description="Address of a running simulator, as http://localhost:8020: a connector to it is made, and the demo "
        "user bruno is linked to its phone of that name. chat4all dev sets it.",
    )
    uid: str = pydantic.Field(
        "",
        max_length=64,
        description="The one connector that this process runs, by the uid of its row, which somebody else keeps: an "
        "operator, say. Files are not read then.",
    )
    credentials_dir: Path | None = pydantic.Field(
        None, description="Folder with that connector's credentials, a file per key; read again when it changes."
    )
    pod: str = pydantic.Field(
        "",
        max_length=253,
        description="Name of this process in what it reports of its connectors, another for each process; empty: the "
        "host's name, which in Kubernetes is the pod's.",
    )
    inbox: list[str] = pydantic.Field(
        ["ana"], description="Who is in new conversations of the connector that TELEGRAM_TOKEN makes."
    )
    attempt_seconds: float = pydantic.Field(
        20.0,
        gt=0,
        le=120,
        json_schema_extra={"unit": "s"},
        description="How long an attempt may take; one that a crash left open is waited for so long.",
    )

    def pod_name(self) -> str:
        """Return the name of this process in reports."""
        return self.pod or socket.gethostname()[:253]
