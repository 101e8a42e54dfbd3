"""Any situation of a connector, for properties that hold in all of them."""

import datetime as dt
from typing import Any, Final

from hypothesis import strategies as st
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS, NO_HOOKS, ROUTE, report

from chat4all_operator.kinds import CREDENTIALS, DEPLOYMENT, SERVICE
from chat4all_operator.observed import Refused, SecretFound

HIDDEN: Final = "s3cr3t"  # begins every value of a Secret
SPECS: Final = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["Running", "Paused"]),
        "replicas": st.sampled_from([0, 1, 2, 6, 9]),
        "config": st.sampled_from([{}, {"mode": "Webhook"}, {"mode": "Polling"}, {"colour": "red"}, {"baseURL": "x"}]),
        "autoscaling": st.sampled_from([{"maxReplicas": 3}, {"minReplicas": 2, "maxReplicas": 40}, {"maxReplicas": 0}]),
        "deletionPolicy": st.sampled_from(["Unregister", "Retain"]),
        "rateLimit": st.just({"perSecond": 5}),
        "channel": st.sampled_from(["telegram", "telegram", "fax"]),
        "inbox": st.sampled_from([{"members": ["ana"]}, {}, None, 1]),
        "credentialsSecretRef": st.sampled_from([{"name": "keys"}, {"name": "others"}, {}]),
    },
)
VALUES: Final = st.sampled_from(["", "\n", "\r\n", ":x", " y", "\u2028"]).map(lambda end: f"{HIDDEN}{end}".encode())
BROKEN: Final = st.sampled_from([b"", b"\xff" + HIDDEN.encode(), b"\xef\xbb\xbf" + HIDDEN.encode()])
RIGHT: Final = st.just(b"1:" + HIDDEN.encode())
SECRETS: Final = st.none() | st.builds(
    SecretFound,
    st.sampled_from([CREDENTIALS, CREDENTIALS, "Opaque", ""]),
    st.dictionaries(st.sampled_from(["botToken", "webhookSecret", "note"]), RIGHT | VALUES | BROKEN, max_size=3),
)
REPORTS: Final = st.builds(
    report,
    st.sampled_from(["support-0", "support-1", "support-2"]),
    role=st.sampled_from(["receives", "sends"]),
    authenticated=st.sampled_from([True, False, None]),
    registered=st.sampled_from([True, False, None]),
    unregistered=st.booleans(),
    reason=st.sampled_from(["Connected", "TokenRefused", "Starting"]),
    sentence=st.sampled_from(["It says so.", "", "x" * 3000, "two\nlines"]),
)
REFUSALS: Final = st.sampled_from(
    [
        None,
        Refused("invalid", "resource.spec.inbox.members", "There is no user ana."),
        Refused("invalid", "resource.spec.channel", "There is no such channel."),
        Refused("conflict", "", "It is managed by operator/shop/other."),
        Refused("not-found", "", ""),
    ]
)
API: Final = st.sampled_from(
    [("", ""), ("", ""), ("It does not answer.", "APIUnreachable"), ("503", "EnginesUnavailable")]
)
THEIRS: Final = st.sampled_from(
    [objects.theirs(SERVICE), objects.theirs(SERVICE, kind="ChannelConnector", name="support", uid=objects.OTHER_UID)]
)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A connector that was made in any way."""
    hooks = draw(st.sampled_from([NO_HOOKS, INGRESS, ROUTE]))
    template = draw(st.sampled_from([objects.TEMPLATE, objects.template(resources={})]))
    return Life(draw(SPECS), hooks=hooks, template=template, secret=draw(SECRETS))


def happens(draw: st.DrawFn | Any, life: Life) -> None:
    """Any of what can happen to a connector that is still there does."""
    life.secret = draw(SECRETS)
    life.api_problem, life.api_reason = draw(API)
    life.asks_again_seconds = 3.0 if life.api_problem and draw(st.booleans()) else None
    life.refuses = draw(REFUSALS)
    life.may_roll = draw(st.booleans())
    life.limited_since = draw(st.sampled_from([None, life.now, life.now - dt.timedelta(seconds=40)]))
    life.pass_seconds(draw(st.sampled_from([0, 5, 40, 91])))
    if life.row is not None and draw(st.booleans()):
        life.report(*draw(st.lists(REPORTS, max_size=3)))
    if draw(st.booleans()):
        life.change(**draw(SPECS))
    if any(kind is DEPLOYMENT for kind, _ in life.children) and draw(st.booleans()):
        life.run_pods()
    if draw(st.integers(0, 5)) == 0:
        life.children[SERVICE, "connector-support"] = draw(THEIRS)
    if draw(st.integers(0, 3)) == 0:
        life.delete()
