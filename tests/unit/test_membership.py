"""What is remembered of who is in a conversation: a "yes", for five seconds from when it was asked (invariant 9)."""

import pytest

from chat4all.conversations.membership import Membership
from chat4all.model.errors import Refusal


class Directory:
    """Says who is a member; `takes` seconds for it."""

    def __init__(self):
        self.now = 0.0
        self.takes = 0.0
        self.members = {("chat", "ana")}
        self.questions = 0

    async def is_member(self, conversation_id, username):
        self.questions += 1
        answer = (conversation_id, username) in self.members
        self.now += self.takes
        return answer


@pytest.fixture
def directory():
    return Directory()


@pytest.fixture
def membership(directory):
    return Membership(directory, clock=lambda: directory.now)


async def test_a_yes_is_remembered_for_five_seconds(membership, directory):
    for _ in range(3):
        await membership.check("chat", "ana")
    assert directory.questions == 1
    directory.now = 5.0
    await membership.check("chat", "ana")
    assert directory.questions == 2


async def test_however_long_the_answer_took(membership, directory):
    directory.takes = 4.0
    await membership.check("chat", "ana")
    directory.members.clear()
    directory.now, directory.takes = 5.1, 0.0
    with pytest.raises(Refusal):
        await membership.check("chat", "ana")


async def test_a_no_is_never_remembered(membership, directory):
    with pytest.raises(Refusal):
        await membership.check("chat", "bruno")
    directory.members.add(("chat", "bruno"))
    await membership.check("chat", "bruno")


async def test_what_changed_through_this_process_is_asked_again_at_once(membership, directory):
    await membership.check("chat", "ana")
    membership.forget("chat")
    directory.members.clear()
    with pytest.raises(Refusal):
        await membership.check("chat", "ana")
