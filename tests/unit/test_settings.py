"""Settings: each says what it is and in what unit; the page is what the classes say; a secret is never shown."""

from pathlib import Path
from typing import Any, Final

import pydantic
import pytest
from hack import drift
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from chat4all.cli.config import table
from chat4all.processes.config import MASKED, SettingDescription, Settings, described

SETTINGS: Final = {one.variable: one for one in described(Settings.model_construct())}
SECRETS: Final = ("kept-in-the-class", "set-outside", "plain-in-the-class", "bytes-outside")


@pytest.mark.parametrize("variable", SETTINGS)
def test_every_setting_is_described(variable: str) -> None:
    """A number has a unit; what it is, is a sentence."""
    one = SETTINGS[variable]
    number = isinstance(one.default, int | float) and not isinstance(one.default, bool)
    assert bool(one.unit) == number
    assert one.description.endswith(".")
    assert one.description[0].isupper()
    assert one.about.endswith(".")
    assert not one.changed


def test_every_section_is_there() -> None:
    assert {one.section for one in SETTINGS.values()} == set(Settings.model_fields)


def test_the_page_is_what_the_classes_say() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    assert page == drift.settings_page()
    for one in SETTINGS.values():
        [line] = [line for line in page.splitlines() if f"`{one.variable}`" in line]
        assert line.split(" | ")[2:] == [one.unit, f"{one.description} |"]


class Vault(pydantic.BaseModel):
    """Made up."""

    kept: pydantic.SecretStr = pydantic.Field(pydantic.SecretStr("kept-in-the-class"), description="One.")
    given: pydantic.SecretStr | None = pydantic.Field(None, description="Perhaps.")
    raw: pydantic.SecretBytes = pydantic.Field(pydantic.SecretBytes(b""), description="Bytes.")
    loose: pydantic.SecretStr = pydantic.Field("plain-in-the-class", description="Not checked.")  # type: ignore[assignment]
    tries: int = pydantic.Field(3, json_schema_extra={"unit": "tries"}, description="No secret.")


class MadeUp(BaseSettings):
    """Settings with secrets."""

    model_config = SettingsConfigDict(env_prefix="MADE_UP_", env_nested_delimiter="__")

    vault: Vault = Vault()


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> dict[str, SettingDescription]:
    """Settings with secrets of every kind, some of them from the environment."""
    monkeypatch.setenv("MADE_UP_VAULT__GIVEN", "set-outside")
    monkeypatch.setenv("MADE_UP_VAULT__RAW", "bytes-outside")
    monkeypatch.setenv("MADE_UP_VAULT__TRIES", "4")
    return {one.variable.partition("__")[2].lower(): one for one in described(MadeUp())}


def test_a_secret_is_masked(secretive: dict[str, SettingDescription]) -> None:
    values: dict[str, Any] = {name: (one.default, one.value, one.changed) for name, one in secretive.items()}
    assert values == {
        "kept": (MASKED, MASKED, False),
        "given": (None, MASKED, True),
        "raw": ("", MASKED, True),
        "loose": (MASKED, MASKED, False),
        "tries": (3, 4, True),
    }


def test_no_secret_is_in_what_is_shown(secretive: dict[str, SettingDescription]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table(list(secretive.values())))
    assert MASKED in captured.get()
    assert "4 tries" in captured.get()
    assert [secret for secret in SECRETS if secret in captured.get() + repr(secretive)] == []


def test_who_says_nothing_gets_copies_and_majorities() -> None:
    """A broker or a node that is lost takes nothing with it (invariant 1)."""
    settings = Settings()
    assert (settings.kafka.replication, settings.kafka.min_insync_replicas) == (3, 2)
    assert (settings.cassandra.replication, settings.cassandra.consistency) == (3, "LOCAL_QUORUM")
