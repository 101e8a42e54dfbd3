"""What stands in examples/ is what the resource's model and the channel's manifest take."""

from pathlib import Path

import pydantic
import pytest
import yaml

from chat4all.channels.kit import registry
from chat4all.channels.kit.resource import ChannelConnector, Secret

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
KINDS: dict[str, type[pydantic.BaseModel]] = {"ChannelConnector": ChannelConnector, "Secret": Secret}


@pytest.mark.parametrize("file", EXAMPLES, ids=[one.name for one in EXAMPLES])
def test_an_example_can_be_applied(file: Path) -> None:
    resources = [KINDS[one["kind"]].model_validate(one) for one in yaml.safe_load_all(file.read_text())]
    [connector] = [one for one in resources if isinstance(one, ChannelConnector)]
    registry.installed()[connector.spec.channel].config.model_validate(connector.spec.config)
    written = yaml.safe_dump([one for one in yaml.safe_load_all(file.read_text()) if one["kind"] == "ChannelConnector"])
    assert (connector.spec.autoscaling is not None) is ("replicas:" not in written), "one of them says how many"


def test_there_are_some() -> None:
    assert {"telegram.yaml", "autoscaling.yaml"} <= {one.name for one in EXAMPLES}
