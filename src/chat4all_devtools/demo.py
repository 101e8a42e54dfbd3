"""chat4all demo: two true stories, told with real requests."""

from chat4all.cli.options import Json


def run(as_json: Json = False) -> None:
    """Tell two true stories of messages: in the app, and on Telegram.

    With real requests to a server started for it. Exit code 0 only if every step was seen. With --json: {"step"} for
    each, and {"seen"} at the end.

    Example: chat4all demo
    """
    # Imported only here: the other commands start much quicker without it.
    from chat4all_devtools import stories  # noqa: PLC0415 - it starts quicker without

    stories.tell(as_json=as_json)
