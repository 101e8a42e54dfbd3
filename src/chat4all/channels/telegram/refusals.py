"""What Telegram's refusals mean, by code and by what the description says: there are no finer codes.

https://core.telegram.org/bots/api#making-requests; the sentences are those of the server's own source,
https://github.com/tdlib/telegram-bot-api
"""

from typing import Final

from chat4all.channels.kit import errors
from chat4all.channels.telegram import payloads

# Of a person or group who cannot be reached: part of the description, and the reason.
_GONE: Final = (
    ("bot was blocked by the user", "Blocked"),
    ("user is deactivated", "Deactivated"),
    ("bot can't initiate conversation", "NeverStarted"),
    ("chat not found", "NotFound"),
    ("bot was kicked", "Removed"),
    ("bot is not a member", "Removed"),
    ("the group chat was deleted", "Removed"),
    ("bots can't send messages to bots", "IsBot"),
)
# Of one message that cannot be done anything with.
_NEVER: Final = (
    ("message is not modified", "AlreadySo"),
    ("message to delete not found", "AlreadySo"),
    ("message can't be deleted", "TooOld"),
    ("message can't be edited", "TooOld"),
    ("message to edit not found", "NotThere"),
    ("must be non-empty", "Empty"),
    ("text is empty", "Empty"),
    ("is too long", "TooLong"),
)
_UNKNOWN: Final = {401, 404, 421}  # 404: the cloud's answer to a token that has not the form of one


def meaning(status: int, answer: payloads.Answer) -> errors.ChannelError:
    """What a refusal means. Its description holds nothing secret."""
    code, parameters = answer.error_code or status, answer.parameters
    said = answer.description or f"status {status}"
    sentence = f"Telegram: {said}"
    if code == 429:
        return errors.ThrottledError(sentence, float(parameters.retry_after or 1))
    if code == 409:
        return errors.TakenError(sentence)
    if code >= 500:
        return errors.UnknownOutcomeError(sentence)
    if parameters.migrate_to_chat_id is not None:
        return errors.MovedError(sentence, str(parameters.migrate_to_chat_id))
    return _final(sentence, said.lower(), code)


def _final(sentence: str, said: str, code: int) -> errors.ChannelError:
    """Nothing that time mends."""
    for text, reason in _GONE:
        if text in said:
            return errors.RecipientError(sentence, reason)
    if code in _UNKNOWN:
        return errors.CredentialsError(sentence)
    reason = next((reason for text, reason in _NEVER if text in said), "Rejected")
    return errors.RejectedError(sentence, reason)
