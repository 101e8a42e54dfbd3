"""A start that cannot keep its data ends with a sentence that says what to do."""

import pytest

from chat4all.model.errors import StartError
from chat4all.processes.data_folder import claimed
from chat4all.processes.dev import advice


def test_a_folder_on_a_full_disk_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(StartError, match=r"Cannot keep data in .+\. Make room"), claimed(tmp_path):
        pass


def test_a_folder_that_is_in_use_names_who_has_it(tmp_path):
    with claimed(tmp_path), pytest.raises(StartError, match=r"in use by process \d+"), claimed(tmp_path):
        pass


@pytest.mark.parametrize(
    ("fault", "fresh"),
    [
        ("log is unavailable: log.db: file is not a database", True),
        ("store is unavailable: store.db: database disk image is malformed", True),
        ("store is unavailable: ledger.db: database or disk is full", False),
        ("directory is unavailable: disk I/O error", False),
        ("log is unavailable: log.db: attempt to write a readonly database", False),
    ],
)
def test_nobody_is_told_to_start_anew_where_the_disk_is_at_fault(fault, fresh):
    assert ("--fresh" in advice(fault)) is fresh
