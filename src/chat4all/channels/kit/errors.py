"""What can come of asking a provider: a closed set. Each says whether to try again; `sentence` is for a person.

A channel raises one of these and nothing else; what is done about it is decided in one place, the courier.
"""


class ChannelError(Exception):
    """`sentence`: what happened, without anything secret."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class ThrottledError(ChannelError):
    """Not processed: too much was asked. `retry_after`: seconds."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class UnreachableError(ChannelError):
    """Not processed: the provider could not be reached. To be tried again."""


class UnknownOutcomeError(ChannelError):
    """It may have been processed or not: the line was cut, the answer late or no answer at all."""


class RecipientError(ChannelError):
    """This person cannot be reached any more. `reason`: a code of the table of reasons."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RejectedError(ChannelError):
    """The provider will never take this message. `reason`: a code of the table of reasons."""

    def __init__(self, sentence: str, reason: str = "Rejected") -> None:
        super().__init__(sentence)
        self.reason = reason


class MovedError(ChannelError):
    """The chat goes on under another id, `to`; this one is not found any more."""

    reason = "NotFound"

    def __init__(self, sentence: str, to: str) -> None:
        super().__init__(sentence)
        self.to = to


class CredentialsError(ChannelError):
    """The provider does not know the account: nothing goes until its credentials are fixed."""


class TakenError(ChannelError):
    """Someone else receives for this account; it is a state, to be looked at again after a while."""


class NotGenuineError(ChannelError):
    """What came does not come from the provider."""


class MalformedError(ChannelError):
    """What came is nothing that the provider sends."""
