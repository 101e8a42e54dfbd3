"""Conditions of a ChannelConnector, each decided by one question; docs/operator.md has every reason and what to do."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from chat4all_operator.texts import cut

State = Literal["True", "False", "Unknown"]

MAX_MESSAGE_CHARACTERS: Final = 1000
SUMMED: Final = ("Accepted", "CredentialsResolved", "Available", "Authenticated", "Registered")  # what Ready is made of
# What nobody but a person can mend: tools that wait for a resource are told to give up (the condition Stalled, which
# kstatus knows: https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md).
STALLING: Final = frozenset(
    {
        *("Invalid", "UnknownChannel", "ChannelNotInstalled", "ConfigInvalid", "ConfigTooLarge", "InboxInvalid"),
        *("NoRequests", "Conflict", "NameTaken", "SecretMissing", "SecretWrongType", "SecretLacksKey", "SecretInvalid"),
        *("TokenRefused", "DuplicateAccount", "OtherAccount", "NoPublicURL", "PodsRefused", "ChildRefused"),
    }
)


class Condition(NamedTuple):
    """One condition. `message`: a sentence, with the next step where there is one."""

    type: str
    status: State
    reason: str
    message: str

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.status == "True"


def found(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition as it stands in a resource's status, which may be of any form; empty where there is none."""
    status = resource.get("status")
    there = status.get("conditions") if isinstance(status, Mapping) else None
    there = there if isinstance(there, list) else []
    return next((one for one in there if isinstance(one, Mapping) and one.get("type") == kind), {})


def ready(parts: Sequence[Condition]) -> Condition:
    """Return what the others come to: one that is False makes it False, else one that is Unknown makes it Unknown."""
    for state in ("False", "Unknown"):
        for one in parts:
            if one.type in SUMMED and one.status == state:
                return Condition("Ready", one.status, one.reason, one.message)
    capped = next((one for one in parts if one.reason == "ReplicasCapped"), None)
    return Condition("Ready", "True", "Ready", capped.message if capped else "Messages go both ways.")


def stalled(of: Condition) -> list[Condition]:
    """Return the condition Stalled where a person has to do something, else nothing."""
    if of.status == "False" and of.reason in STALLING:
        return [Condition("Stalled", "True", of.reason, of.message)]
    return []


def written(
    found: Iterable[Any], wanted: Sequence[Condition], generation: int, now: dt.datetime
) -> list[dict[str, Any]]:
    """Return conditions as they stand in a status. The time of a transition moves only when the status of one does."""
    before = {str(one.get("type")): one for one in found if isinstance(one, Mapping)}
    return [_written(before.get(one.type), one, generation, now) for one in wanted]


def _written(before: Mapping[str, Any] | None, one: Condition, generation: int, now: dt.datetime) -> dict[str, Any]:
    same = before is not None and before.get("status") == one.status
    at = before["lastTransitionTime"] if same and before and "lastTransitionTime" in before else rfc3339(now)
    if same and before and str(at).startswith("1970-"):  # the definition's default, which nobody has seen change
        at = rfc3339(now)
    return {
        "type": one.type,
        "status": one.status,
        "reason": one.reason,
        "message": cut(" ".join(one.message.split()), MAX_MESSAGE_CHARACTERS),
        "observedGeneration": generation,
        "lastTransitionTime": at,
    }


def rfc3339(at: dt.datetime) -> str:
    """Return a time as Kubernetes writes it, in whole seconds."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: object) -> dt.datetime | None:
    """Return the time that Kubernetes or the internal API wrote, or None where that is none."""
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
