"""Why something did not reach somebody: the one table of reasons. docs/reasons.md is made from it."""

from typing import Final, NamedTuple


class Reason(NamedTuple):
    """A reason says to a person what happened and what can be done about it. `again`: whether a retry can make
    sense."""

    sentence: str
    advice: str
    again: bool


REASONS: Final[dict[str, Reason]] = {
    "NoLink": Reason("This person is not on that channel.", "Ask for a link, or write on another channel.", False),
    "Blocked": Reason("This person has blocked us.", "Reach out on another channel; only they can unblock us.", True),
    "Deactivated": Reason("This account does not exist any more.", "Remove the link.", False),
    "NotFound": Reason(
        "The provider does not know this person.", "Check the link; they may have to write first.", True
    ),
    "NeverStarted": Reason("This person has never written to us there.", "Ask them to write first.", True),
    "Removed": Reason("We are not in that group any more.", "Have us brought in again.", True),
    "IsBot": Reason("That account is a bot, and bots cannot write to each other.", "Remove the link.", False),
    "Empty": Reason("Nothing was left to be sent once the text was read.", "Write something that can be seen.", False),
    "TooLong": Reason("The text is longer than the channel takes.", "Send it in parts.", False),
    "TooOld": Reason("The channel does not let this be changed any more.", "Write a new message.", False),
    "NotThere": Reason("The message was never there, or is gone.", "Write a new message.", False),
    "NotSent": Reason("The message had not been sent, so it could not be changed there.", "Retry the message.", False),
    "Unsupported": Reason("This channel cannot do that.", "The app shows it; write a new message there.", False),
    "Rejected": Reason("The provider did not take it.", "The timeline has its words; fix the text.", True),
    "Uncertain": Reason(
        "It may have been sent or not; the provider did not say, and this connector does not send twice.",
        "Ask the person, or retry and risk that it comes twice.",
        True,
    ),
    "ConnectorDeleted": Reason("The connector was removed before it was sent.", "Link another channel.", True),
}
