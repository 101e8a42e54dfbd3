"""Defines the settings of tokens, passwords and registration."""

import enum
from pathlib import Path

import pydantic


class RegistrationPolicy(enum.StrEnum):
    """Who may make users: anyone (plain users only), or admins."""

    OPEN = "open"
    ADMINS = "admins"


class AccountsSettings(pydantic.BaseModel):
    """Tokens and passwords."""

    issuer: str = pydantic.Field("chat4all", description="The `iss` of tokens.")
    audience: str = pydantic.Field("chat4all", description="The `aud` of tokens.")
    token_seconds: int = pydantic.Field(
        3600, ge=2, le=86_400, json_schema_extra={"unit": "s"}, description="How long a token is valid."
    )
    keys_dir: Path | None = pydantic.Field(
        None,
        description="Folder of signing keys: `<key id>.pem` signs and verifies, `<key id>.pub.pem` only verifies. "
        "Unset, embedded mode makes one key and keeps it with its data.",
    )
    signing_key: str = pydantic.Field("", description="Key id that signs; empty: the last one by name.")
    registration: RegistrationPolicy = pydantic.Field(
        RegistrationPolicy.OPEN, description="Who may make users: `open`, anyone; `admins`, they alone."
    )
    demo: bool = pydantic.Field(
        False,
        description="Whether there are users ana, bruno and admin with the password `demo`, which the console offers. "
        "Only on loopback; embedded mode has them always.",
    )
    logins_per_minute: float = pydantic.Field(
        60.0, gt=0, json_schema_extra={"unit": "tries/min"}, description="How often one user name may try to log in."
    )
    login_burst: int = pydantic.Field(
        30, ge=1, json_schema_extra={"unit": "tries"}, description="Login tries at once, per user name."
    )
