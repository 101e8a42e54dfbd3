"""Defines the settings of the API and of the internal API."""

from pathlib import Path

import pydantic


class ApiSettings(pydantic.BaseModel):
    """REST."""

    posts_per_second: float = pydantic.Field(
        20.0,
        gt=0,
        json_schema_extra={"unit": "posts/s"},
        description="How often one user may post or change something.",
    )
    post_burst: int = pydantic.Field(
        100, ge=1, json_schema_extra={"unit": "posts"}, description="Posts and other changes at once, per user."
    )
    body_bytes: int = pydantic.Field(
        1 << 20, ge=1 << 16, json_schema_extra={"unit": "bytes"}, description="The size of a request's body, at most."
    )
    cors_origins: str = pydantic.Field(
        "null http://localhost http://127.0.0.1",
        description="Origins whose pages may call the API, with spaces between; `null` is a page opened from disk.",
    )


class InternalSettings(pydantic.BaseModel):
    """The internal API, for the operator and for tools: how connectors come to be."""

    host: str = pydantic.Field(
        "127.0.0.1", description="Address to listen on; embedded mode takes loopback only. Never in an Ingress."
    )
    port: int | None = pydantic.Field(
        None,
        ge=0,
        le=65_535,
        description="Port to listen on. Unset: 8002 where the public one is 8000, else any that is free.",
    )
    token_file: Path | None = pydantic.Field(
        None,
        description="Bearer tokens that are taken, the current one and the one before, a line each; read again when it "
        "changes. Unset: internal-token in the data folder, made if it is not there.",
    )
