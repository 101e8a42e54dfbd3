"""connectors/*.yaml: what is right is read whole; what is wrong is said with its file and line."""

from pathlib import Path

import pytest

from chat4all.channels.kit import registry
from chat4all.channels.telegram import Config, Credentials
from chat4all.connectors import files, supervisor
from chat4all.connectors.settings import ChannelsSettings

GOOD = """\
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData:
  botToken: "1:token"
---
apiVersion: chat4all.io/v1alpha1
kind: ChannelConnector
metadata:
  name: support
spec:
  channel: telegram
  credentialsSecretRef: {name: keys}
  config:
    baseURL: http://localhost:8020
    mode: Polling
  inbox:
    members: [ana]
  rateLimit: {perSecond: 5}
  onUncertain: Hold
"""


def read(folder: Path, text: str = GOOD) -> list[files.DeclaredConnector]:
    (folder / "support.yaml").write_text(text)
    return files.read(folder, registry.installed())


def test_a_connector_is_read_with_its_secret(tmp_path: Path) -> None:
    (one,) = read(tmp_path)
    assert one.resource.id == "local.support"
    assert one.manifest.name == "telegram"
    assert isinstance(one.credentials, Credentials)
    assert one.credentials.bot_token.get_secret_value() == "1:token"
    assert isinstance(one.config, Config)
    assert (str(one.config.base_url), one.config.mode) == ("http://localhost:8020/", "Polling")
    assert one.resource.spec.rate_limit is not None
    assert (one.resource.spec.rate_limit.per_second, one.resource.spec.on_uncertain) == (5, "Hold")


def test_a_secret_may_stand_in_another_file(tmp_path: Path) -> None:
    secret, connector = GOOD.split("---\n")
    (tmp_path / "a.yaml").write_text(connector)
    (tmp_path / "z.yaml").write_text(secret)
    assert len(files.read(tmp_path, registry.installed())) == 1


def test_no_folder_is_no_connector(tmp_path: Path) -> None:
    assert files.read(tmp_path / "nothing", registry.installed()) == []


@pytest.mark.parametrize("name", [*registry.installed()])
def test_every_channel_s_example_is_right(name: str, tmp_path: Path) -> None:
    manifest = registry.installed()[name]
    folder = Path(str(__import__(manifest.implementation.rpartition(".")[0], fromlist=["x"]).__file__)).parent
    (one,) = read(tmp_path, (folder / "example.yaml").read_text())
    assert one.manifest is manifest or one.manifest == manifest


WRONG = [
    ("  channel: telegram", "  channel: pigeon", 12, "there is no channel pigeon; there is telegram"),
    ("  channel: telegram", "  channel: telegram\n  colour: red", 13, "spec.colour: Extra inputs are not permitted"),
    ("    mode: Polling", "    mode: Sometimes", 16, "spec.config.mode: Input should be 'Webhook' or 'Polling'"),
    ("    mode: Polling", "    speed: 3", 16, "spec.config.speed: Extra inputs are not permitted"),
    ("    members: [ana]", "    members: []", 18, "spec.inbox.members: List should have at least 1 item"),
    ("  inbox:\n    members: [ana]\n", "", 11, "spec.inbox: Field required"),
    ("credentialsSecretRef: {name: keys}", "credentialsSecretRef: {name: none}", 13, "there is no Secret none"),
    ('  botToken: "1:token"', "  token: x", 4, "stringData.botToken: Field required"),
    ("name: support", "name: Support", 10, "metadata.name: String should match pattern"),
    ("kind: ChannelConnector", "kind: Gadget", 7, "kind is Gadget; it has to be one of ChannelConnector, Secret"),
    ("perSecond: 5", "perSecond: -5", 19, "spec.rateLimit.perSecond: Input should be greater than 0"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "line", "said"), WRONG, ids=[one[3] for one in WRONG])
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, right: str, wrong: str, line: int, said: str) -> None:
    with pytest.raises(files.FileError) as error:
        read(tmp_path, GOOD.replace(right, wrong))
    assert str(error.value).startswith(f"{tmp_path / 'support.yaml'}, line {line}: ")
    assert said in str(error.value)


def test_what_is_no_yaml_is_said(tmp_path: Path) -> None:
    with pytest.raises(files.FileError, match=r"support\.yaml"):
        read(tmp_path, "a: [1")


def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(files.FileError, match=r"local\.support is there twice"):
        read(tmp_path, GOOD + "---\n" + GOOD.split("---\n")[1])


def test_no_secret_is_in_what_is_said(tmp_path: Path) -> None:
    with pytest.raises(files.FileError) as error:
        read(tmp_path, GOOD.replace('"1:token"', "{deep: very-secret}"))
    assert "very-secret" not in str(error.value)
    assert error.value.__cause__ is None


SECRETS = [
    ("a colon within", 'botToken: "1:token"', "botToken: 123:SECRET: x"),
    ("a quote without end", 'botToken: "1:token"', 'botToken: "123:SECRET'),
    ("a sign that begins nothing", 'botToken: "1:token"', "botToken: @123:SECRET"),
    ("a tag", 'botToken: "1:token"', "botToken: !123:SECRET x"),
    ("a key that is a list", 'botToken: "1:token"', "? [123:SECRET]\n  : x"),
    ("not a token", 'botToken: "1:token"', 'botToken: "SECRET/../"'),
    ("a secret with spaces", 'botToken: "1:token"', 'botToken: "1:token"\n  webhookSecret: "SECRET SECRET"'),
]


@pytest.mark.parametrize("case", SECRETS, ids=[one[0] for one in SECRETS])
def test_what_is_wrong_is_said_without_what_stands_there(tmp_path: Path, case: tuple[str, str, str]) -> None:
    _, right, wrong = case
    with pytest.raises(files.FileError, match=r"support\.yaml") as raised:
        read(tmp_path, GOOD.replace(right, wrong))
    said = f"{raised.value!r} {raised.value.__cause__!r}"
    assert "SECRET" not in said


def test_a_secret_that_was_left_blank_is_none(tmp_path: Path) -> None:
    text = GOOD.replace('botToken: "1:token"', 'botToken: "1:token\\n"\n  webhookSecretPrevious: ""')
    (one,) = read(tmp_path, text)
    assert isinstance(one.credentials, Credentials)
    assert one.credentials.webhook_secret_previous is None
    assert one.credentials.bot_token.get_secret_value() == "1:token"


def test_a_process_may_run_one_of_many(tmp_path: Path) -> None:
    read(tmp_path, GOOD + "---\n" + GOOD.split("---\n")[1].replace("name: support", "name: sales"))
    everything = [one.resource.id for one in supervisor.declared(ChannelsSettings(folder=tmp_path))]
    assert sorted(everything) == ["local.sales", "local.support"]
    (one,) = supervisor.declared(ChannelsSettings(folder=tmp_path, connector="local.sales"))
    assert one.resource.id == "local.sales"
    assert supervisor.declared(ChannelsSettings(folder=tmp_path, connector="local.nobody")) == []
