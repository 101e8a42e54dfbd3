"""How a connector is: the one table of what its pods report. docs/connectors.md is made from it."""

import enum
from typing import Final, NamedTuple


class Code(enum.StrEnum):
    """What a pod of a connector reports as the reason for how it is."""

    CONNECTED = "Connected"
    STARTING = "Starting"
    PAUSED = "Paused"
    DISABLED = "Disabled"
    TOKEN_REFUSED = "TokenRefused"  # noqa: S105 - a name
    DUPLICATE_ACCOUNT = "DuplicateAccount"
    OTHER_ACCOUNT = "OtherAccount"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a name
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a name
    PROVIDER_UNREACHABLE = "ProviderUnreachable"
    PROVIDER_REFUSED = "ProviderRefused"
    HOOK_FAILING = "HookFailing"
    RATE_LIMITED = "RateLimited"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    ROW_MISSING = "RowMissing"
    ROW_INVALID = "RowInvalid"
    CHANNEL_NOT_INSTALLED = "ChannelNotInstalled"
    NO_PUBLIC_URL = "NoPublicURL"
    UNREGISTERED = "Unregistered"
    UNREGISTER_FAILED = "UnregisterFailed"
    FAULT = "Fault"


class Meaning(NamedTuple):
    """A code says to a person how the connector is and what can be done about it; `sentence` is reported where nothing
    more exact is known."""

    sentence: str
    advice: str


CONNECTOR_REASONS: Final[dict[Code, Meaning]] = {
    Code.CONNECTED: Meaning("The connector works.", "Nothing."),
    Code.STARTING: Meaning("The connector has only just started.", "Wait some seconds."),
    Code.PAUSED: Meaning(
        "The connector is paused: it neither sends nor receives, and what comes for it waits.",
        "Set spec.state to Running to go on.",
    ),
    Code.DISABLED: Meaning(
        "The connector is disabled, because nobody asks for it any more; what comes for it waits.",
        "Apply its resource again, or remove it.",
    ),
    Code.TOKEN_REFUSED: Meaning(
        "The provider does not take the credentials.", "Put credentials into the Secret that the provider knows."
    ),
    Code.DUPLICATE_ACCOUNT: Meaning(
        "Another connector has the account of these credentials.",
        "Use credentials of another account, or remove the other connector.",
    ),
    Code.OTHER_ACCOUNT: Meaning(
        "The credentials are of another account than before.",
        "Put back credentials of the account that it had, or make a new connector for the new one.",
    ),
    Code.SECRET_MISSING: Meaning(
        "The Secret with the credentials is not there, or lacks a key.",
        "Make the Secret that spec.credentialsSecretRef names, with every key of the channel.",
    ),
    Code.SECRET_INVALID: Meaning(
        "A key of the Secret with the credentials has a value that the channel does not take.",
        "Put the value right; the channel's README says how it looks.",
    ),
    Code.PROVIDER_UNREACHABLE: Meaning(
        "The provider does not answer.", "See that pods reach the provider's address, spec.config.baseURL perhaps."
    ),
    Code.PROVIDER_REFUSED: Meaning(
        "The provider refuses what the connector asks of it.",
        "The sentence has its words; another program may use the same account.",
    ),
    Code.HOOK_FAILING: Meaning(
        "The provider says that it cannot deliver to our address.",
        "See that the address, status.endpoint, can be reached from outside, with a certificate that others trust.",
    ),
    Code.RATE_LIMITED: Meaning(
        "The provider makes the connector wait, because it sends too much.",
        "Wait, or lower spec.rateLimit; more replicas do not help.",
    ),
    Code.ENGINE_UNAVAILABLE: Meaning(
        "An engine of Chat4All is not available.", "Nothing is lost. chat4all doctor says what is wrong with it."
    ),
    Code.ROW_MISSING: Meaning(
        "The connector is not registered.", "Apply its resource, or see that the operator runs; it waits."
    ),
    Code.ROW_INVALID: Meaning(
        "What is registered of the connector is not valid, or names somebody who is not there.",
        "Put right the field that the sentence names.",
    ),
    Code.CHANNEL_NOT_INSTALLED: Meaning(
        "The image of the connector's pods does not have its channel.",
        "Use an image that has it, the same one for every role.",
    ),
    Code.NO_PUBLIC_URL: Meaning(
        "It wants a webhook, and nobody knows where this installation is reached.",
        "Set CHAT4ALL_CHANNELS__PUBLIC_URL, or spec.config.mode to Polling.",
    ),
    Code.UNREGISTERED: Meaning("The provider has nothing of this connector any more.", "Nothing."),
    Code.UNREGISTER_FAILED: Meaning(
        "What the provider has of this connector could not be taken away yet.",
        "It is tried again. The sentence says why; what stays can be taken away at the provider by hand.",
    ),
    Code.FAULT: Meaning(
        "The connector ended by a fault of the program, and is started again.", "The log of its pod says which."
    ),
}
