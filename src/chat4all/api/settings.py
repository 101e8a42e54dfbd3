"""Settings of the API."""

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
