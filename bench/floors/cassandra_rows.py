"""The rows of messages, written by the driver's own execute_concurrent: what a router writes, and nothing else.

`python -m bench.floors.cassandra_rows PORT COUNT`: prints its figures as JSON.
"""

import sys
import time
from typing import Any, Final

from cassandra.cluster import Cluster, Session
from cassandra.concurrent import execute_concurrent
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType

from bench import floors, load
from chat4all.model import ids
from chat4all.store.cassandra.statements import STORE, values
from chat4all.store.columns import HEADS, INDEX, MESSAGES, TIMELINE

_CONVERSATIONS: Final = 20
_ROUND: Final = 500  # messages, as a router's round takes
_AT_ONCE: Final = 128  # requests, as the server's default
_NAMES: Final = ("put_message", "put_index", "put_timeline", "put_head")


def main() -> None:
    """Warm up, write."""
    port, count = map(int, sys.argv[1:])
    cluster = Cluster(["127.0.0.1"], port=port, protocol_version=5)
    session = cluster.connect("chat4all")
    try:
        prepared = {name: session.prepare(STORE[name]) for name in _NAMES}
        chats = [ids.new_id() for _ in range(_CONVERSATIONS)]
        _write(session, prepared, chats, range(_ROUND * 4))
        used, began = time.process_time(), time.perf_counter()
        for first in range(_ROUND * 4, _ROUND * 4 + count, _ROUND):
            _write(session, prepared, chats, range(first, first + _ROUND))
        figures = {
            "routed_per_s": count / (time.perf_counter() - began),
            "routed_cpu_s": (time.process_time() - used) / count * 1000,
        }
    finally:
        cluster.shutdown()
    floors.tell(figures)


def _write(session: Session, prepared: dict[str, Any], chats: list[str], numbers: range) -> None:
    """One round: rows, and of each message its index entry and its timeline together; then heads."""
    batches = {chat: BatchStatement(BatchType.UNLOGGED) for chat in chats}
    messages, heads = [], {}
    for number in numbers:
        chat, seq, id_ = chats[number % len(chats)], number // len(chats) + 1, ids.new_id()
        at = int(time.time() * 1000)
        given: dict[str, object] = {
            "kind": "message",
            "message_id": id_,
            "sender_id": "ana",
            "content": load.content(number),
        }
        given |= {"channels": '["all"]', "created_at": at, "position": number}
        batches[chat].add(prepared["put_message"], values(MESSAGES, [0, chat, seq], given, UNSET_VALUE, number))
        placed = {"conversation_id": chat, "seq": seq, "position": number}
        message = BatchStatement(BatchType.UNLOGGED)
        message.add(prepared["put_index"], values(INDEX, [id_], placed, UNSET_VALUE, number))
        told = {"what": "accepted", "who": "ana", "detail": f"seq {seq}", "position": number}
        message.add(prepared["put_timeline"], values(TIMELINE, [id_, at, id_], told, UNSET_VALUE, number))
        messages.append((message, ()))
        head = {"last_seq": seq, "position": number, "last_at": at, "preview": load.content(number)}
        heads[chat] = (prepared["put_head"], values(HEADS, [chat], head, UNSET_VALUE, number))
    for requests in ([*((batch, ()) for batch in batches.values()), *messages], [*heads.values()]):
        execute_concurrent(session, requests, concurrency=_AT_ONCE, raise_on_first_error=True)


if __name__ == "__main__":
    main()
