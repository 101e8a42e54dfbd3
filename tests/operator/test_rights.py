"""Rights: whatever the operator does it may do, and it may do nothing that it does not: by the API server's own record.

https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

import json
import subprocess
import sys

import yaml
from tests.operator import audit
from tests.operator.cluster import Namespace, connector
from tests.operator.jobs import job, job_runs
from tests.operator.pods import claims
from tests.operator.processes import DEADLINE, kubeconfig, rendered, until
from tests.operator.stage import Stage, staged

ACCOUNT = "c4a-chat4all-operator"
LEAVER = "c4a-chat4all-uninstall"
KINDS = ("deployment", "service", "ingress", "poddisruptionbudget", "horizontalpodautoscaler")
FULL = {"replicas": 2, "autoscaling": {"maxReplicas": 4}, "config": {"mode": "Webhook"}}
BARE = {"replicas": 1, "autoscaling": None, "config": {"mode": "Polling"}}

Right = tuple[str, str, str]


def given(namespace: str, name: str, template: str) -> set[Right]:
    """What the chart's Role gives, as group, resource and verb."""
    documents = yaml.safe_load_all(rendered(namespace, template))
    [role] = [one for one in documents if one and one["kind"] == "Role" and one["metadata"]["name"] == name]
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(calls: list[audit.Asked]) -> set[Right]:
    return {right for one in calls for right in one.rights}


LABELS = {"app.kubernetes.io/instance": "c4a", "app.kubernetes.io/component": "operator"}


def hold(namespace: Namespace) -> None:
    """A pod that stands for the operator's: it is on a node, so that it stays until somebody says that it has ended."""
    pod = {"containers": [{"name": "operator", "image": "localhost/chat4all:dev"}], "nodeName": "somewhere"}
    head = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator", "labels": LABELS}}
    namespace.create({**head, "spec": {**pod, "tolerations": [{"operator": "Exists"}]}})


def let_go(namespace: Namespace) -> None:
    """It has ended."""
    namespace.kubectl("delete", "pod", "operator", "--grace-period=0", "--force")


def live(stage: Stage) -> None:
    """One connector has every child, loses each of them in either way, and goes; another one has no Secret of ours."""
    stage.secret()
    stage.namespace.kubectl("create", "secret", "generic", "opaque", "--from-literal=botToken=1:a")
    stage.create(connector("other", credentialsSecretRef={"name": "opaque"}))
    uid = stage.create(connector(**FULL))
    until("every child is there", lambda: all(stage.child(kind) for kind in KINDS))
    stage.becomes("other", "CredentialsResolved", "False", "SecretWrongType")
    label = [{"op": "remove", "path": "/metadata/labels/chat4all.io~1connector-uid"}]
    for kind in KINDS:
        stage.patch(kind, "connector-support", label, kind="json")
    until("all are repaired", lambda: all(uid in stage.child(kind)["metadata"]["labels"].values() for kind in KINDS))
    stage.patch("channelconnector", "support", {"spec": BARE})
    until("all but one go", lambda: [kind for kind in KINDS if stage.child(kind)] == ["deployment"])
    stage.patch("channelconnector", "support", {"spec": {"state": "Paused"}})
    claims(stage.hub, uid, f"account-of-{stage.namespace.name}")
    until("it has no pods", lambda: stage.child("deployment")["spec"]["replicas"] == 0)
    stage.resyncs()  # and the operator knows whose account it has
    stage.delete("support")
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    stage.is_gone("support")
    until("the Job goes", lambda: job(stage, uid) is None)


def test_it_needs_every_right_that_it_has_and_no_other(namespaces, hub, tmp_path) -> None:
    namespace = namespaces()
    hold(namespace)
    stage = Stage(namespace, hub, tmp_path)
    try:
        stage.operator.start()
        live(stage)
        stage.rests()
        assert [name for name in stage.operator.metrics() if ("outcome", "403") in name[1]] == []
        # The end of a namespace: kubelet ends its pods first, and what is created is refused from then on.
        stage.create(connector("last"))
        stage.is_guarded("last")
        namespace.kubectl("delete", "namespace", namespace.name, "--wait=false")
        until("it is ending", lambda: "deletionTimestamp" in namespace.get("namespace", namespace.name)["metadata"])
        stage.resyncs()
        assert stage.operator.process.stop() == 0, stage.operator.log()[-3000:]
    finally:
        stage.operator.process.kill()
        stage.api.close()
    let_go(namespace)
    until("the namespace is gone", lambda: namespace.name not in namespace.control_plane.kubectl("get", "namespaces"))
    calls = audit.asked(namespace.control_plane, namespace.name, ACCOUNT)
    for one in calls:
        assert one.status != 403 or "is being terminated" in one.message, one
    assert used(calls) == given(namespace.name, ACCOUNT, "templates/operator.yaml")


def leaves(stage: Stage) -> subprocess.Popen[str]:
    """What the chart runs before it is uninstalled, with the rights that it has for that."""
    for one in yaml.safe_load_all(rendered(stage.namespace.name, "templates/uninstall.yaml")):
        if one and one["kind"] != "Job":
            stage.namespace.kubectl("apply", "--filename=-", given=json.dumps(one))
    config = kubeconfig(stage.namespace)
    config["users"][0]["user"]["token"] = stage.namespace.kubectl("create", "token", LEAVER).strip()
    file = stage.folder / "leaver"
    file.write_text(json.dumps(config))
    return subprocess.Popen(
        [sys.executable, "-m", "chat4all_operator", "--leave"],
        env={**stage.operator.process.environment, "KUBECONFIG": str(file)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_before_an_uninstall_the_operator_stops_first_and_nothing_hangs_or_runs_on(namespaces, hub, tmp_path) -> None:
    namespace = namespaces()
    hold(namespace)
    pod = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "operator", "image": "i"}]}}
    own = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "c4a-operator"}}
    namespace.create({**own, "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": pod}})
    with staged(Stage(namespace, hub, tmp_path)) as stage:
        stage.secret()
        for name in ("one", "two"):
            stage.create(connector(name))
            stage.runs(name)
        with leaves(stage) as leaving:
            until("the operator is to stop", lambda: stage.get("c4a-operator", "deployment")["spec"]["replicas"] == 0)
            stage.resyncs()
            assert leaving.poll() is None, "its pod is not gone yet"
            assert stage.get("one")["metadata"].get("finalizers"), "who is not alone must not begin"
            stage.operator.process.stop()
            let_go(namespace)
            said, _ = leaving.communicate(timeout=DEADLINE)
        assert leaving.returncode == 0
        assert "2 connectors" in said
        for name in ("one", "two"):
            assert not stage.get(name)["metadata"].get("finalizers")
            assert stage.child("deployment", name)["spec"]["replicas"] == 0
        calls = audit.asked(namespace.control_plane, namespace.name, LEAVER)
        assert not [one for one in calls if one.status == 403]
        # Only what an older definition let in is emptied before its finalizer goes: see test_case_a5.
        emptied = {("chat4all.io", "channelconnectors/status", "patch")}
        assert used(calls) == given(namespace.name, LEAVER, "templates/uninstall.yaml") - emptied
        stage.operator.start()  # the next install takes them up
        for name in ("one", "two"):
            stage.runs(name)
            stage.is_guarded(name)
