"""The operator's settings: what is wrong is named by its variable."""

import pytest

from chat4all.model.errors import StartError
from chat4all_operator import settings

RIGHT = {
    "NAMESPACE": "shop",
    "RELEASE": "c4a",
    "INSTANCE": "c4a-chat4all",
    "POD_TEMPLATE": "/template/template.yaml",
    "API_URL": "http://api:8002",
    "TOKEN_FILE": "/secrets/token",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RIGHT.items():
        monkeypatch.setenv(f"{settings.PREFIX}{name}", value)


def test_what_the_chart_sets_is_enough() -> None:
    found = settings.load()
    assert found.managed_by == "operator/shop/c4a"
    assert (found.resync_seconds, found.poll_seconds) == (20, 5)
    assert found.orphan_grace_seconds == 24 * 3600
    assert found.unregister_seconds == 60
    assert found.hooks == settings.Hooks()


def test_hooks_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{settings.PREFIX}HOOKS", '{"public_url": "https://a", "ingress": {"className": "b"}}')
    assert settings.load().hooks == settings.Hooks(public_url="https://a", ingress={"className": "b"})


@pytest.mark.parametrize("name", RIGHT)
def test_one_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(f"{settings.PREFIX}{name}")
    with pytest.raises(StartError, match=f"CHAT4ALL_OPERATOR__{name}: "):
        settings.load()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NAMESPACE", "n" * 64, "NAMESPACE"),
        ("RELEASE", "r" * 54, "RELEASE"),
        ("INSTANCE", "", "INSTANCE"),
        ("MAX_ROLLING", "0", "MAX_ROLLING"),
        ("MAX_ROLLING", "many", "MAX_ROLLING"),
        ("RESYNC_SECONDS", "0", "RESYNC_SECONDS"),
        ("UNREGISTER_SECONDS", "601", "UNREGISTER_SECONDS"),
        ("ORPHAN_GRACE_SECONDS", "-1", "ORPHAN_GRACE_SECONDS"),
        ("PORT", "70000", "PORT"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL"),
        ("HOOKS", "{", "HOOKS is JSON"),
        ("HOOKS", '{"publicURL": "x"}', "HOOKS__PUBLICURL"),
        ("HOOKS", '{"ingress": 3}', "HOOKS__INGRESS"),
    ],
)
def test_one_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"{settings.PREFIX}{name}", value)
    with pytest.raises(StartError, match=said):
        settings.load()


def test_every_setting_says_what_it_is() -> None:
    for name, field in settings.Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
