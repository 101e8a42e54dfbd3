"""Settings of the gateway."""

import pydantic


class GatewaySettings(pydantic.BaseModel):
    """WebSockets."""

    sessions: int = pydantic.Field(10_000, ge=1, description="WebSockets at once; more are asked to try again.")
    queue: int = pydantic.Field(1000, ge=10, description="Frames that a session may be behind before it is cut off.")
    resume_grace_seconds: float = pydantic.Field(
        1.0, ge=0, le=10, description="Seconds for which a new session waits for a resume before it goes live."
    )
    replay_limit: int = pydantic.Field(
        1000, ge=1, le=100_000, description="Rows of one conversation that a resume replays; beyond, clients page."
    )
    receipt_seconds: float = pydantic.Field(1.0, ge=0.01, le=60, description="Seconds between receipts of a session.")
    sweep_seconds: float = pydantic.Field(60.0, gt=0, le=60, description="Seconds between comparisons with the store.")
    warn_seconds: float = pydantic.Field(60.0, ge=0, description="Seconds before expiry that a client is warned.")
