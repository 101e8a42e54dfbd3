"""Every line of docs/simulator.md works as it is written, in order."""

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.integration.simulator.world import simulating

ROOT: Final = Path(__file__).resolve().parents[3]
FAULTS: Final = re.compile(r'"fault": "(\w+)"')


def test_its_lines_work_and_name_every_fault(tmp_path):
    text = (ROOT / "docs" / "simulator.md").read_text()
    walk = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    with simulating(tmp_path / "data") as running:
        running.control("PUT", "/telegram/limits", {})
        script = walk.replace("http://localhost:8020", running.url)
        done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        schema = running.client.get("/control/openapi.json").json()["components"]["schemas"]
        known = {s["properties"]["fault"]["const"] for s in schema.values() if "fault" in s.get("properties", {})}
        worked = {one["fault"] for one in running.log(what="fault")} - {None}
    assert set(FAULTS.findall(walk)) == known
    assert worked == known
    asked = [line.split()[0] for line in done.stdout.splitlines() if " after " in line and line[0].isdigit()]
    assert asked[:4] == ["200", "429", "502", "200"]
    assert '"text":"forged"' in done.stdout
