"""Every channel that is installed does what is asked of a channel: ours, and one of another package."""

from tests import pigeon

from chat4all.channels.kit import registry
from chat4all.channels.testing.conformance import ChannelConformance

with pigeon.installed():
    MANIFESTS = registry.installed()

for name, manifest in MANIFESTS.items():
    globals()[f"Test_{name}"] = type(f"Test_{name}", (ChannelConformance,), {"manifest": manifest})


def test_they_are_all_tried() -> None:
    assert {one.removeprefix("Test_") for one in globals() if one.startswith("Test_")} == {"telegram", "pigeon"}
