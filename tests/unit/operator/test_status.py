"""What a status has beside conditions, and the events of a connector."""

from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS, report
from tests.unit.operator.situations import working

from chat4all_operator.kinds import DEPLOYMENT


def status(life: Life) -> dict[str, object]:
    assert life.resource is not None
    found: dict[str, object] = life.resource["status"]
    return found


def test_what_a_person_and_a_scale_ask_for() -> None:
    life = working(spec={"replicas": 2}, hooks=INGRESS)
    found = status(life)
    assert set(found) == {
        *("observedGeneration", "conditions", "account", "replicas", "selector", "endpoint", "connectorId"),
    }
    assert (found["observedGeneration"], found["replicas"]) == (1, 2)
    assert (found["account"], found["connectorId"]) == ("@shop_bot", "shop.support")
    labels = life.child(DEPLOYMENT)["spec"]["selector"]["matchLabels"]
    assert dict(one.split("=") for one in str(found["selector"]).split(",")) == labels


def test_replicas_are_those_of_the_deployment() -> None:
    life = working(spec={"replicas": 3})
    life.child(DEPLOYMENT)["status"]["replicas"] = 2
    life.settle()
    assert status(life)["replicas"] == 2


def test_an_account_that_was_known_stays_known() -> None:
    life = working()
    life.pass_seconds(300)
    life.settle()
    assert status(life)["account"] == "@shop_bot"


def test_an_account_s_name_is_cut_at_a_character() -> None:
    life = working()
    life.report(report(accountName="\u05d0\U0001f600" * 200))
    life.settle()
    found = str(status(life)["account"])
    assert 100 < len(found) <= 256
    assert found.encode().decode() == found


def test_events_tell_each_change_of_ready_once() -> None:
    life = working()
    assert [(one.type, one.reason) for one in life.events] == [("Normal", "Progressing"), ("Normal", "Ready")]
    for _ in range(2):
        life.report(report(authenticated=False, reason="TokenRefused", sentence="Not this token."))
        life.settle()
        life.pass_seconds(30)
    assert [(one.type, one.reason, one.message) for one in life.events[2:]] == [
        ("Warning", "TokenRefused", "Not this token.")
    ]


def test_a_pause_is_no_warning() -> None:
    life = working()
    life.change(state="Paused")
    life.settle()
    assert [(one.type, one.reason) for one in life.events[2:]] == [("Normal", "Paused")]


def test_a_pause_is_told_also_where_nothing_was_known_before() -> None:
    life = working()
    life.pass_seconds(91)
    life.settle()
    life.change(state="Paused")
    life.settle()
    assert [one.reason for one in life.events[2:]] == ["Paused"]


def test_one_that_was_made_paused_tells_nothing_of_it() -> None:
    life = Life({"state": "Paused"})
    life.settle()
    assert life.conditions()["Ready"] == "False Paused"
    assert life.events == []
