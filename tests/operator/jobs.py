"""The Job that unregisters a connector, and what becomes of it where no kubelet runs its pod."""

import json
from typing import Any

from tests.operator.processes import until
from tests.operator.stage import Stage


def job(stage: Stage, uid: str) -> Any:
    """The Job of a connector, or None."""
    found = stage.all("job", labelSelector=f"chat4all.io/connector-uid={uid}")
    return found[0] if found else None


def job_runs(stage: Stage, uid: str, phase: str) -> None:
    """Have the pod of a connector's Job end, as kubelet would say it."""
    pod = until("the Job has a pod", lambda: [one for one in stage.all("pod") if _of_job(one, uid)])[0]
    terminated = {"exitCode": int(phase == "Failed"), "reason": "Completed"}
    container = {"name": "connector", "ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
    status = {"phase": phase, "containerStatuses": [{**container, "state": {"terminated": terminated}}]}
    name = pod["metadata"]["name"]
    stage.namespace.kubectl(
        "patch", "pod", name, "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status})
    )


def _of_job(pod: Any, uid: str) -> bool:
    owners = pod["metadata"].get("ownerReferences", [{}])
    return bool(owners[0].get("kind") == "Job" and uid in json.dumps(pod["spec"]))
