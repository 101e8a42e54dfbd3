"""Turns what is said and what happens into lines, one each."""

from collections.abc import Iterator, Mapping

from rich.text import Text

from chat4all.cli.output import plain
from chat4all.client import Frame


def describe(frame: Frame) -> Text | None:
    """Return a frame as a line, with the time in UTC; None for what a person does not want to see."""
    who = frame.get("sender_id") or frame.get("user_id", "")
    event = _event_text(frame)
    if event is None:
        return None
    when = str(frame.get("timestamp", ""))[11:19]
    number = f"{frame['seq']:>4} " if "seq" in frame else "     "
    return Text.assemble((f"{plain(when)} ", "dim"), number, (f"{plain(who)}: ", "bold"), event)


def remember(row: Frame, *, me: str, seqs: Mapping[str, int]) -> Text:
    """Return a row of a history as a line, with its day, and with its status if `me` sent it.

    `seqs`: the seqs of messages, by their ids.
    """
    at = str(row.get("timestamp") or row["created_at"])
    line = describe({**row, "timestamp": at}) or Text(plain(str(row)))
    marks = ", ".join(_marks(row, me, seqs)) if row["type"] == "message" and not row["deleted_at"] else ""
    return Text.assemble((f"{at[:10]} ", "dim"), line, (f"  ({marks})" if marks else "", "dim"))


def _marks(message: Frame, me: str, seqs: Mapping[str, int]) -> Iterator[str]:
    if (replied := message["reply_to"]) is not None:
        yield f"in reply to {f'no. {seqs[replied]}' if replied in seqs else plain(replied)}"
    if message["edited_at"]:
        yield "edited"
    if message["sender_id"] == me:
        yield message["status"]


def _event_text(frame: Frame) -> Text | None:
    text, style = "", ""
    match frame["type"]:
        case "message" if frame["deleted_at"] is not None:
            text, style = "(deleted)", "dim"
        case "message":
            text = frame["content"]
        case "edit":
            text, style = f"changed no. {frame['target_seq']} to: {frame['content']}", "yellow"
        case "delete":
            text, style = f"deleted no. {frame['target_seq']}", "yellow"
        case "members":
            text, style = _member_changes(frame), "yellow"
        case "receipt":
            text, style = f"has up to {frame['delivered_seq']}, read up to {frame['read_seq']}", "dim"
        case "presence":
            text, style = f"is {frame['status']}", "dim"
        case "error" | "resync" | "token_expiring":
            text, style = str(frame), "red"
        case _:
            return None
    return Text(plain(text), style)


def _member_changes(frame: Frame) -> str:
    added, removed = (", ".join(frame[what]) for what in ("added", "removed"))
    return "; ".join(text for text in (added and f"added {added}", removed and f"removed {removed}") if text)
