"""What a start makes for itself is there whole or not at all, whenever it ends."""

import os

import pytest

from chat4all.accounts.keys import Keyring
from chat4all.accounts.shared_tokens import SharedTokens


class EndedError(Exception):
    """The process has ended here."""


MAKERS = [
    pytest.param(lambda folder: Keyring.load_or_make(folder / "keys").signing, id="a signing key"),
    pytest.param(lambda folder: SharedTokens.load_or_make(folder / "token")._current(), id="an internal token"),
]
ENDS = ["fdopen", "fsync", "link"]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("where", ENDS)
def test_a_start_that_ends_while_it_makes_a_secret_does_not_spoil_the_next(tmp_path, monkeypatch, make, where):
    def ends(*_given, **_named):
        raise EndedError

    with monkeypatch.context() as patch:
        patch.setattr(os, where, ends)
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)  # it gets no chance to clear up
        with pytest.raises(EndedError):
            make(tmp_path)
    first = make(tmp_path)
    assert first
    assert [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077 and path.is_file()] == []
