"""What Telegram's refusals mean, by their code and the words of their description: there are no finer codes.

https://core.telegram.org/bots/api#making-requests; the sentences are those of the server's own source,
https://github.com/tdlib/telegram-bot-api
"""

from typing import Final

from chat4all.channels.kit import errors
from chat4all.channels.telegram import payloads

# A person or group cannot be reached: part of the description, and the reason.
_RECIPIENT_REASONS: Final = (
    ("bot was blocked by the user", "Blocked"),
    ("user is deactivated", "Deactivated"),
    ("bot can't initiate conversation", "NeverStarted"),
    ("chat not found", "NotFound"),
    ("bot was kicked", "Removed"),
    ("bot is not a member", "Removed"),
    ("the group chat was deleted", "Removed"),
    ("bots can't send messages to bots", "IsBot"),
)
# Nothing can be done with one message: part of the description, and the reason.
_MESSAGE_REASONS: Final = (
    ("message is not modified", "AlreadySo"),
    ("message to delete not found", "AlreadySo"),
    ("message can't be deleted", "TooOld"),
    ("message can't be edited", "TooOld"),
    ("message to edit not found", "NotThere"),
    ("must be non-empty", "Empty"),
    ("text is empty", "Empty"),
    ("is too long", "TooLong"),
)
_CREDENTIALS_CODES: Final = {401, 404, 421}  # 404 is the cloud's answer to a malformed token


def meaning(status: int, answer: payloads.Answer) -> errors.ChannelError:
    """Return the error that a refusal means. Its description contains nothing secret."""
    code, parameters = answer.error_code or status, answer.parameters
    description = answer.description or f"status {status}"
    sentence = f"Telegram: {description}"
    if code == 429:
        return errors.ThrottledError(sentence, float(parameters.retry_after or 1))
    if code == 409:
        return errors.TakenError(sentence)
    if code >= 500:
        return errors.UnknownOutcomeError(sentence)
    if parameters.migrate_to_chat_id is not None:
        return errors.MovedError(sentence, str(parameters.migrate_to_chat_id))
    return _final(sentence, description.lower(), code)


def _final(sentence: str, description: str, code: int) -> errors.ChannelError:
    """Return the error of a refusal that would come again later."""
    for text, reason in _RECIPIENT_REASONS:
        if text in description:
            return errors.RecipientError(sentence, reason)
    if code in _CREDENTIALS_CODES:
        return errors.CredentialsError(sentence)
    reason = next((reason for text, reason in _MESSAGE_REASONS if text in description), "Rejected")
    return errors.RejectedError(sentence, reason)
