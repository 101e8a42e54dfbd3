"""A channel of another package: pigeons carry short letters, and tell when they have arrived and were read."""

from typing import Final

import pydantic

from chat4all.channels.kit.manifest import Capabilities, Manifest
from chat4all.model.rates import Rate


class Credentials(pydantic.BaseModel):
    """The ring that proves whose pigeon it is."""

    model_config = pydantic.ConfigDict(extra="forbid")

    ring: pydantic.SecretStr


class Config(pydantic.BaseModel):
    """Where the loft is."""

    model_config = pydantic.ConfigDict(extra="forbid")

    base_url: str = pydantic.Field("https://loft.example", alias="baseURL")


MANIFEST: Final = Manifest(
    name="pigeon",
    title="Pigeon",
    implementation="pigeon_post.channel:Pigeon",
    credentials=Credentials,
    config=Config,
    capabilities=Capabilities(
        max_text=20,
        unit="characters",
        per_connector=Rate(1000, 1000),
        per_chat=Rate(1000, 1000),
        per_group=Rate(1000, 1000),
        receipts=frozenset({"delivered", "read"}),
    ),
    redact=("ring",),
)
