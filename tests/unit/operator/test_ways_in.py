"""How a provider reaches a connector: what is made for it, and where its mode needs nothing."""

from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS, NO_HOOKS, ROUTE
from tests.unit.operator.situations import working
from tests.unit.operator.steps import told

from chat4all_operator.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE
from chat4all_operator.kinds import INGRESS as INGRESSES
from chat4all_operator.observed import SecretFound
from chat4all_operator.settings import Hooks

PATH = f"/hooks/telegram/{objects.UID}"
OF_OTHERS = Hooks(public_url="https://hub.example/")  # somebody else leads it to the Service
WAYS = [
    ("Polling", NO_HOOKS, set()),
    ("Polling", INGRESS, set()),
    (None, NO_HOOKS, set()),
    (None, INGRESS, {"Service", "Ingress"}),
    ("Webhook", INGRESS, {"Service", "Ingress"}),
    ("Webhook", ROUTE, {"Service", "HTTPRoute"}),
    ("Webhook", OF_OTHERS, {"Service"}),
]


def configured(mode: str | None) -> dict[str, Any]:
    return {"config": {"mode": mode} if mode else {}}


@pytest.mark.parametrize(("mode", "hooks", "kinds"), WAYS)
def test_the_way_in_is_made_where_the_mode_needs_it(mode: str | None, hooks: Hooks, kinds: set[str]) -> None:
    life = working(spec=configured(mode), hooks=hooks)
    assert life.kinds() == {"Deployment", *kinds}
    endpoint = f"https://hub.example{PATH}" if kinds else None
    assert life.observed().resource["status"].get("endpoint") == endpoint


def test_a_service_selects_the_pods_and_no_others() -> None:
    life = working(hooks=INGRESS)
    deployment, service = life.child(DEPLOYMENT)["spec"], life.child(SERVICE)["spec"]
    assert service["selector"] == deployment["selector"]["matchLabels"]
    assert service["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    assert service["selector"]["chat4all.io/connector-uid"] == objects.UID
    ports = {one["name"] for one in deployment["template"]["spec"]["containers"][0]["ports"]}
    assert {one["targetPort"] for one in service["ports"]} <= ports


def test_an_ingress_leads_one_path_to_the_service() -> None:
    tls = [{"hosts": ["hub.example"], "secretName": "tls"}]
    hooks = Hooks(
        public_url="https://hub.example", ingress={**(INGRESS.ingress or {}), "tls": tls, "annotations": {"a": "b"}}
    )
    life = working(hooks=hooks)
    made, service = life.child(INGRESSES), life.child(SERVICE)
    assert made["metadata"]["annotations"]["a"] == "b"
    assert (made["spec"]["ingressClassName"], made["spec"]["tls"]) == ("contour", tls)
    (rule,) = made["spec"]["rules"]
    assert rule["host"] == "hub.example"
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (PATH, "Exact")
    (port,) = service["spec"]["ports"]
    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}


def test_a_route_leads_one_path_to_the_service() -> None:
    hooks = Hooks(
        public_url="https://hub.example", http_route={"parentRefs": [{"name": "gate"}], "hostnames": ["hub.example"]}
    )
    life = working(hooks=hooks)
    made, service = life.child(HTTP_ROUTE)["spec"], life.child(SERVICE)
    assert made["parentRefs"] == [{"name": "gate"}]
    assert made["hostnames"] == ["hub.example"]
    (rule,) = made["rules"]
    assert rule["matches"] == [{"path": {"type": "Exact", "value": PATH}}]
    (port,) = service["spec"]["ports"]
    assert rule["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]


def test_a_way_of_another_kind_takes_the_place_of_the_one_before() -> None:
    life = working(hooks=INGRESS)
    life.world = working(hooks=ROUTE).world
    assert told(life.settle()) == ["Apply HTTPRoute", "Delete Ingress"]


def test_the_way_stays_while_nobody_is_there_to_answer() -> None:
    """So that a provider is told to come again, and never that there is no such address."""
    life = working(hooks=INGRESS)
    for spec in ({"state": "Paused"}, {"state": "Running", "replicas": 0}):
        life.change(**spec)
        life.settle()
        assert life.kinds() == {"Deployment", "Service", "Ingress"}
    life.change(replicas=1, config={"mode": "Nonsense"})
    life.secret = None
    life.settle()
    assert life.kinds() == {"Deployment", "Service", "Ingress"}
    assert life.observed().resource["status"]["endpoint"] == f"https://hub.example{PATH}"


def test_no_way_is_left_where_the_mode_needs_none_any_more() -> None:
    life = working(hooks=INGRESS)
    life.change(config={"mode": "Polling"})
    assert told(life.settle()) == ["Register", "Delete Service", "Delete Ingress"]
    assert "endpoint" not in life.observed().resource["status"]


@pytest.mark.parametrize("secret", [None, objects.SECRET])
def test_the_way_is_there_before_the_first_pod(secret: SecretFound | None) -> None:
    """Nobody answers there yet, which is 503: a provider comes again. Without a way it would be the hub's 404."""
    life = Life(hooks=INGRESS, secret=secret)
    life.settle()
    assert life.kinds() == {"Service", "Ingress", *(["Deployment"] if secret else [])}
