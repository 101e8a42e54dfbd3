"""The channel of Telegram speaks to people by a bot: https://core.telegram.org/bots/api"""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal

import pydantic

from chat4all.channels.kit.manifest import Capabilities, Manifest
from chat4all.model.rates import Rate


def _formed(pattern: str, words: str) -> Callable[[pydantic.SecretStr], pydantic.SecretStr]:
    """Return a check of a secret. What it raises contains no part of the secret."""

    def check(secret: pydantic.SecretStr) -> pydantic.SecretStr:
        if not re.match(pattern, secret.get_secret_value()):
            raise ValueError(f"it has to be {words}")
        return secret

    return check


_WEBHOOK_PROOF_PATTERN: Final = r"^[A-Za-z0-9_-]{1,256}$"  # https://core.telegram.org/bots/api#setwebhook


def _stripped(value: object) -> object:
    """Return a text without white space around it, since a file ends with a line end. A blank text becomes None."""
    return (value.strip() or None) if isinstance(value, str) else value


_is_formed = pydantic.AfterValidator(_formed(_WEBHOOK_PROOF_PATTERN, "1 to 256 of A-Z, a-z, 0-9, _ and -"))
_Secret = Annotated[Annotated[pydantic.SecretStr, _is_formed] | None, pydantic.BeforeValidator(_stripped)]
_Token = Annotated[
    pydantic.SecretStr,
    pydantic.AfterValidator(_formed(r"^[0-9]+:[A-Za-z0-9_-]+$", "a number, a colon, and letters, digits, _ and -")),
    pydantic.BeforeValidator(_stripped),
]


class Credentials(pydantic.BaseModel):
    """What the Secret holds. Two secrets of webhooks are taken, so that one can be changed without losing updates."""

    model_config = pydantic.ConfigDict(extra="forbid")

    bot_token: _Token = pydantic.Field(alias="botToken", description="From @BotFather.")
    webhook_secret: _Secret = pydantic.Field(
        None, alias="webhookSecret", description="Proves that an update comes from Telegram. Made up if there is none."
    )
    webhook_secret_previous: _Secret = pydantic.Field(
        None, alias="webhookSecretPrevious", description="The one before, taken as well."
    )


class Config(pydantic.BaseModel):
    """What spec.config may hold."""

    model_config = pydantic.ConfigDict(extra="forbid")

    base_url: pydantic.HttpUrl = pydantic.Field(
        pydantic.HttpUrl("https://api.telegram.org"), alias="baseURL", description="The Bot API, or a server like it."
    )
    mode: Literal["Webhook", "Polling"] | None = pydantic.Field(
        None, description="How updates come. Unset: Webhook where a public URL is known, else Polling."
    )
    parse_mode: Literal["Markdown", "MarkdownV2", "HTML"] | None = pydantic.Field(
        None, alias="parseMode", description="How texts are marked. What cannot be parsed is sent as it stands."
    )


MANIFEST: Final = Manifest(
    name="telegram",
    title="Telegram",
    implementation="chat4all.channels.telegram.channel:TelegramChannel",
    credentials=Credentials,
    config=Config,
    capabilities=Capabilities(
        max_text=4096,
        unit="utf16",
        # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
        per_connector=Rate(30, 30),
        per_chat=Rate(1, 1),
        per_group=Rate(20 / 60, 20),
        edits=True,
        deletes=True,
        quotes=True,
    ),
    identifier=r"[1-9][0-9]{0,18}",
    identifier_hint="the number of the account at Telegram, as 123456789",
    invite="https://t.me/{account}?start={code}",
    redact=("bot_token", "webhook_secret", "webhook_secret_previous"),
)
