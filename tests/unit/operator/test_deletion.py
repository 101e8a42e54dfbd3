"""How a connector goes, in each situation: which steps are taken, what is told, and that it ends."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.unit.operator import objects, situations
from tests.unit.operator.life import Life
from tests.unit.operator.objects import report
from tests.unit.operator.situations import becomes, change, silent_for

from chat4all_operator.kinds import DEPLOYMENT, FINALIZER, JOB
from chat4all_operator.observed import Refused
from chat4all_operator.plan import Finalizers, Forget, Note, Register, Status, Step


class Case(NamedTuple):
    """`steps`: all that is done until it waits or is gone, by name, but for what is told; `event`: that, if anything;
    `gone`: whether nothing is left to wait for; `row`: the registration's state afterwards, None where there is none.
    """

    label: str
    happens: Callable[[Life], object]
    steps: str
    event: str = ""
    gone: bool = True
    row: str | None = None


def working(**given: Any) -> Life:
    """A connector that works, and whose account is claimed."""
    life = situations.working(**given)
    registered_is(account="123456")(life)
    life.events.clear()
    return life


def after(*things: Callable[[Life], object]) -> Callable[[Life], None]:
    """One thing after the other, and between them what there is to do."""

    def happens(life: Life) -> None:
        for thing in things:
            thing(life)
            life.settle()

    return happens


def delete(life: Life) -> None:
    life.delete()


def without_pods(life: Life) -> None:
    """Its pods have ended, as when it was paused."""
    life.child(DEPLOYMENT)["status"] = {}
    life.report()


def pods_unregister(life: Life) -> None:
    life.report(report(unregistered=True, registered=False, reason="Unregistered"))


def pods_fail(life: Life) -> None:
    """They reported until a moment ago."""
    life.child(DEPLOYMENT)["status"] = {"replicas": 1}


def one_of_two_unregisters(life: Life) -> None:
    life.report(report(unregistered=True), report("support-1", role="sends"))


def provider_is_away(life: Life) -> None:
    life.report(report(reason="UnregisterFailed", sentence="The provider does not answer."))


def job_ends(how: str) -> Callable[[Life], None]:
    return lambda life: life.children[life.job].update(status={"conditions": [{"type": how, "status": "True"}]})


def seconds(count: float) -> Callable[[Life], None]:
    def happens(life: Life) -> None:
        life.pass_seconds(count)
        if life.row is not None:
            life.report(*life.row.reports)

    return happens


def registered_is(**changed: Any) -> Callable[[Life], None]:
    def happens(life: Life) -> None:
        assert life.row is not None
        life.row = life.row._replace(**changed)

    return happens


def deployment_is_going(life: Life) -> None:
    """As with --cascade=foreground."""
    life.child(DEPLOYMENT)["metadata"]["deletionTimestamp"] = objects.written(life.now)


def somebody_holds_it(life: Life) -> None:
    assert life.resource is not None
    life.resource["metadata"]["finalizers"].append("example.org/x")


def retain_and_delete(life: Life) -> None:
    life.change(deletionPolicy="Retain")
    life.delete()


REFUSES = becomes(refuses=Refused("invalid", "resource.spec.inbox.members", "There is no user ana."))
API_IS_AWAY = becomes(api_problem="The internal API does not answer.", api_reason="APIUnreachable")


def was_never_registered(life: Life) -> None:
    assert life.resource is not None
    life.row, life.refused = None, Refused("conflict", "", "No.")
    life.resource["status"], life.has_met = {}, False


LOST = becomes(row=None)


def another_operator(life: Life) -> None:
    """The operator is replaced by one that has not seen the registration, and has asked for no deletion."""
    life.has_met = life.is_forgotten = False


def ends_after_forgetting(life: Life) -> None:
    pods_unregister(life)
    for step in life.plan().steps:
        life.take(step)
        if isinstance(step, Forget):
            break
    another_operator(life)


def found_again(life: Life) -> None:
    life.row = situations.working().row
    registered_is(account="123456", state="Unregistering")(life)


CASES = (
    Case("its pods are asked, and it waits for them", after(delete), "Register", gone=False, row="Unregistering"),
    Case(
        "its pods have told the provider",
        after(delete, pods_unregister),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
    Case(
        "one of two pods has, and the other may yet undo it",
        after(delete, one_of_two_unregisters, seconds(19)),
        "Register",
        gone=False,
        row="Unregistering",
    ),
    Case(
        "one of two pods has, and the other says nothing",
        after(delete, one_of_two_unregisters, seconds(21)),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
    Case(
        "its provider is away: they go on trying",
        after(delete, provider_is_away, seconds(59)),
        "Register",
        gone=False,
        row="Unregistering",
    ),
    Case(
        "its provider is away for a minute",
        after(delete, provider_is_away, seconds(61)),
        "Register Forget Finalizers",
        "Warning UnregisterGivenUp",
    ),
    Case(
        "its pods are not ready: a Job is made",
        after(pods_fail, delete),
        "Register Create",
        gone=False,
        row="Unregistering",
    ),
    Case(
        "its pods are silent: a Job is made",
        after(silent_for(91), delete),
        "Register Create",
        gone=False,
        row="Unregistering",
    ),
    Case("no pod: a Job is made", after(without_pods, delete), "Register Create", gone=False, row="Unregistering"),
    Case(
        "its Deployment is going: a Job is made",
        after(deployment_is_going, delete),
        "Register Create",
        gone=False,
        row="Unregistering",
    ),
    Case(
        "the Job has told the provider",
        after(without_pods, delete, job_ends("Complete")),
        "Register Create Forget Delete Finalizers",
        "Normal Unregistered",
    ),
    Case(
        "the Job has failed",
        after(without_pods, delete, job_ends("Failed")),
        "Register Create Forget Delete Finalizers",
        "Warning UnregisterGivenUp",
    ),
    Case(
        "the Job never ends",
        after(without_pods, delete, seconds(61)),
        "Register Create Forget Delete Finalizers",
        "Warning UnregisterGivenUp",
    ),
    Case(
        "no pod, and no Secret",
        after(without_pods, becomes(secret=None), delete),
        "Register Forget Finalizers",
        "Warning UnregisterSkipped",
    ),
    Case(
        "its Secret is gone, and its pods have the token still",
        after(becomes(secret=None), delete, pods_unregister),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
    Case("the API is away: it waits", after(API_IS_AWAY, delete, seconds(44)), "", gone=False, row="Running"),
    Case(
        "the API stays away",
        after(API_IS_AWAY, delete, seconds(46)),
        "Finalizers",
        "Warning UnregisterGivenUp",
        row="Running",
    ),
    Case("the API takes no change of it", after(REFUSES, delete), "Register", gone=False, row="Running"),
    Case(
        "the API never takes a change of it",
        after(REFUSES, delete, seconds(61)),
        "Register Forget Finalizers",
        "Warning UnregisterGivenUp",
    ),
    Case(
        "it was never at its provider, and no pod of it runs",
        after(change(state="Paused"), without_pods, registered_is(account=None, reports=()), delete),
        "Register Apply Forget Finalizers",
    ),
    Case(
        "a pod may be about to come to its provider for the first time",
        after(registered_is(account=None, reports=()), delete),
        "Register",
        gone=False,
        row="Unregistering",
    ),
    Case(
        "its pods have had time to hear of it",
        after(registered_is(account=None, reports=()), delete, silent_for(21)),
        "Register Forget Finalizers",
    ),
    Case("it was not registered", after(was_never_registered, delete), "Finalizers"),
    Case("the API has lost its registration", after(delete, LOST, seconds(104)), "Register", gone=False),
    Case(
        "the API has lost its registration for long",
        after(delete, LOST, seconds(106)),
        "Register Finalizers",
        "Warning UnregisterGivenUp",
    ),
    Case(
        "another operator comes, and the API has lost its registration",
        after(delete, LOST, another_operator, seconds(104)),
        "Register",
        gone=False,
    ),
    Case(
        "an operator before has removed its registration, and ended then",
        after(delete, ends_after_forgetting),
        "Register Finalizers",
    ),
    Case(
        "the API has its registration again",
        after(delete, LOST, seconds(20), found_again, pods_unregister),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
    Case(
        "an operator before has begun to remove it",
        after(delete, registered_is(state="Removing")),
        "Register Forget Finalizers",
    ),
    Case(
        "its registration is somebody else's",
        after(delete, registered_is(managed_by="operator/shop/other", state="Running")),
        "Register Finalizers",
        row="Running",
    ),
    Case(
        "its registration is of the next resource of its name",
        after(delete, registered_is(uid=objects.OTHER_UID, state="Running")),
        "Register Finalizers",
        row="Running",
    ),
    Case(
        "somebody else holds it too",
        after(somebody_holds_it, delete, pods_unregister),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
    Case("it says Retain", after(change(deletionPolicy="Retain"), delete), "Finalizers Register", row="Running"),
    Case("it said Retain a moment before", after(retain_and_delete), "Finalizers", row="Running"),
    Case(
        "its spec has become nonsense",
        after(change(config={"colour": "red"}), delete, pods_unregister),
        "Register Forget Finalizers",
        "Normal Unregistered",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[one.label for one in CASES])
def test_a_connector_goes(case: Case) -> None:
    life = working()
    taken = record(life)
    case.happens(life)
    kinds = [type(one).__name__ for one in taken if not isinstance(one, Status | Note)]
    assert " ".join(kinds) == case.steps
    told = [f"{one.type} {one.reason}" for one in life.events if one.reason.startswith("Unregister")]
    assert told == ([case.event] if case.event else [])
    others = life.resource is not None and FINALIZER not in life.resource["metadata"]["finalizers"]
    assert (life.resource is None or others) is case.gone
    assert (life.row.state if life.row else None) == case.row


def record(life: Life) -> list[Step]:
    """Every step that is taken from now on."""
    taken: list[Step] = []
    settle = life.settle

    def settled() -> list[Step]:
        taken.extend(steps := settle())
        return steps

    life.settle = settled  # type: ignore[method-assign]
    return taken


@pytest.mark.parametrize("state", ["Running", "Paused", "Disabled", "Unregistering", "Removing"])
def test_every_way_ends_within_two_minutes(state: str) -> None:
    """Whatever the internal API answers, or does not, to what it is asked to do."""
    life = working()
    delete(life)
    registered_is(state=state)(life)
    assert not any(isinstance(one, Finalizers) for one in life.plan().steps)
    life.pass_seconds(110)
    assert [one.reason for one in life.plan().steps if isinstance(one, Note)] == ["UnregisterGivenUp"]
    assert any(isinstance(one, Finalizers) for one in life.plan().steps)


def test_what_failed_is_tried_again_and_meanwhile_waited_for() -> None:
    life = working()
    delete(life)
    becomes(api_problem="The internal API answered 503.", asks_again_seconds=3.0)(life)
    assert [type(one) for one in life.plan().steps] == [Status]
    life.settle()
    assert ready(life) == ("False", "Deleting", "The internal API answered 503.")
    assert life.plan().steps == ()
    becomes(api_problem="", asks_again_seconds=None)(life)
    assert [type(one) for one in life.plan().steps] == [Register, Status]


def ready(life: Life) -> tuple[str, str, str]:
    assert life.resource is not None
    found = next(one for one in life.resource["status"]["conditions"] if one["type"] == "Ready")
    return found["status"], found["reason"], found["message"]


def test_it_waits_by_looking_again_soon() -> None:
    life = working()
    after(delete)(life)
    again = life.plan().again_seconds
    assert again is not None
    assert again <= 5


def test_an_operator_that_was_away_for_long_still_tells_the_provider() -> None:
    life = working()
    life.delete()
    life.pass_seconds(600)  # nobody acts
    life.report(report())
    life.settle()
    assert life.row is not None, "given up before anybody was asked"
    pods_unregister(life)
    life.settle()
    assert [one.reason for one in life.events] == ["Unregistered"]


def test_what_is_registered_to_go_is_what_was_registered_last() -> None:
    life = working(spec={"rateLimit": {"perSecond": 5}})
    life.change(inbox=None)
    life.delete()
    (step,) = (one for one in life.settle() if isinstance(one, Register))
    assert step.unregister
    assert step.body["spec"]["inbox"] == {"members": ["ana"]}
    assert step.body["spec"]["rateLimit"] == {"perSecond": 5}


def test_nothing_is_made_again_while_it_goes() -> None:
    life = working(spec={"replicas": 2})
    life.delete()
    life.settle()
    life.children = {key: one for key, one in life.children.items() if key[0] is JOB}  # the garbage collector's work
    kinds = {type(one).__name__ for one in life.settle()}
    assert kinds <= {"Create"}, "but for the Job"
    assert life.kinds() == {"Job"}


def test_without_our_finalizer_nothing_is_left_to_do() -> None:
    life = working(spec={"deletionPolicy": "Retain"})
    assert life.resource is not None
    life.resource["metadata"] |= {"finalizers": ["foregroundDeletion"], "deletionTimestamp": objects.written(life.now)}
    assert life.plan().steps == ()


def test_the_registration_ends_before_the_resource_does() -> None:
    life = working()
    life.delete()
    life.settle()
    pods_unregister(life)
    kinds = [type(one) for one in life.settle()]
    assert kinds.index(Forget) < kinds.index(Finalizers)
