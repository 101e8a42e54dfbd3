"""Case A6: long names, bytes that no header takes, passwords of any characters, and accounts of any name.

azure-service-operator#4734: a long owner's name went into a label, and the finalizer could not be added for ever.
tidb-operator#3568: Japanese in a password broke a Job. external-dns#5400: a token with a newline at its end became a
bad header and a crash loop.
"""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest
import regex
import yaml
from hack.node import programs
from hack.node.control_plane import ControlPlane
from tests.integration.simulator.world import Simulator, simulating
from tests.operator.cluster import Namespace, connector
from tests.operator.conftest import CRDS
from tests.operator.counts import calls, looks_again
from tests.operator.detour import Detour, answer, asked
from tests.operator.played import play
from tests.operator.pods import tells
from tests.operator.processes import Hub, Operator, conditions, credentials, until

from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql.engine import Sql
from chat4all_devtools import cache
from chat4all_devtools.stack.engine import StackError
from chat4all_devtools.stack.postgresql import PostgreSql

CHART = CRDS.parents[1] / "charts" / "chat4all"
RELEASE = "r" * 53  # as long as Helm takes
LONG = "n" * 63  # as long as a namespace may be called
TWINS = (f"{'c' * 38}-a", f"{'c' * 38}-b")  # as long as a connector may be called, and alike for long
QUICK = {"resync_seconds": "1", "poll_seconds": "0.5"}
CHILDREN = ("Deployment", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler")


def rendered(namespace: str, situation: str = "autoscaling-values.yaml") -> list[dict[str, Any]]:
    """What helm makes of the chart under the longest name."""
    command = [str(programs.program("helm")), "template", RELEASE, str(CHART), "--namespace", namespace]
    for file in ("base.yaml", situation):
        command += ["--values", str(CHART / "ci" / file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [one for one in yaml.safe_load_all(text) if one]


def labels(made: Any) -> Iterator[str]:
    """The values of labels and of selectors, wherever they stand."""
    if isinstance(made, dict):
        for key, value in made.items():
            if key in {"labels", "matchLabels", "selector"} and isinstance(value, dict):
                yield from (one for one in value.values() if isinstance(one, str))
            yield from labels(value)
    elif isinstance(made, list):
        for one in made:
            yield from labels(one)


@pytest.fixture(scope="module")
def long_namespace(control_plane: ControlPlane) -> Namespace:
    return Namespace(control_plane, LONG)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


class Scene(NamedTuple):
    """A hub, an operator with what a chart of the longest name tells it, and their namespace."""

    namespace: Namespace
    hub: Hub
    operator: Operator


@pytest.fixture(scope="module")
def scene(long_namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("a6")
    documents = rendered(long_namespace.name)
    template = next(one for one in documents if one["kind"] == "ConfigMap" and "template.yaml" in one.get("data", {}))
    (folder / "template.yaml").write_text(template["data"]["template.yaml"])
    for one in documents:
        if one["kind"] == "ServiceAccount":
            long_namespace.kubectl("apply", "--filename=-", given=json.dumps(one))
    deployment = next(
        one for one in documents if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("-operator")
    )
    environment = {
        one["name"]: one.get("value") for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    told = {name: environment[f"CHAT4ALL_OPERATOR__{name.upper()}"] for name in ("release", "instance")}
    assert told["release"] == RELEASE
    hub = Hub(folder / "hub")
    operator = Operator(long_namespace, hub, folder, **{**QUICK, **told})
    try:
        yield Scene(long_namespace, hub.start(), operator.start())
        assert operator.process.alive
        assert "Traceback" not in operator.log()
        assert " 422 " not in operator.log()
        assert sum(value for (_, told), value in operator.metrics().items() if ("outcome", "422") in told) == 0
    finally:
        operator.process.kill()
        hub.server.kill()


def test_a6_the_api_server_takes_the_chart_under_the_longest_name(long_namespace: Namespace) -> None:
    documents = rendered(long_namespace.name)
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    assert len(set(names)) == len(names)
    assert max(len(name) for kind, name in names if kind != "CustomResourceDefinition") <= 63
    assert max(len(value) for value in labels(documents)) <= 63
    for one in documents:
        if one["kind"] == "ServiceAccount":  # without its account a pod is not even looked at
            long_namespace.kubectl("apply", "--filename=-", given=json.dumps(one))
    strictly = ("--dry-run=server", "--validate=strict", "--warnings-as-errors", "--force-conflicts")
    text = yaml.safe_dump_all(documents)
    said = long_namespace.control_plane.kubectl("apply", "--server-side", *strictly, "--filename=-", given=text)
    assert said.count("serverside-applied (server dry run)") == len(documents)


def test_a6_every_child_of_two_connectors_that_are_called_nearly_the_same(scene: Scene) -> None:
    """All kinds of children, and the Job that unregisters: there for both, and taken by the API server."""
    namespace, hub = scene.namespace, scene.hub
    namespace.create(credentials())
    scaling = {"minReplicas": 2, "maxReplicas": 4}
    for name in TWINS:
        assert len(name) == 40
        namespace.create(connector(name, replicas=2, autoscaling=scaling, config={"mode": "Webhook"}))

    def children() -> list[tuple[str, str]]:
        kinds = ",".join(CHILDREN)
        return [
            (one["kind"], one["metadata"]["name"])
            for one in namespace.get(kinds, "--selector=chat4all.io/connector-uid")
        ]

    until("each has each child", lambda: sorted(children()) == sorted(
        (kind, f"connector-{name}") for kind in CHILDREN for name in TWINS
    ))  # fmt: skip
    until("there are pods", lambda: len(namespace.get("pods")) == 4)
    assert {f"{LONG}.{name}" for name in TWINS} == set(hub.rows())
    for one in namespace.get("chconn"):
        tells(hub, one["metadata"]["uid"])
    until("it is registered at the provider", lambda: all(
        conditions(one)["Registered"][0] == "True" for one in namespace.get("chconn")
    ))  # fmt: skip

    namespace.kubectl("delete", "chconn", *TWINS, "--wait=false")
    until("each has its Job", lambda: len(namespace.get("jobs")) == 2)
    made = namespace.get("jobs,pods")
    assert max(len(one["metadata"]["name"]) for one in made) <= 63
    assert max(len(value) for value in labels(made)) <= 63
    namespace.kubectl("delete", "secret", "keys")  # nothing is left to tell the provider with
    until("they are gone", lambda: not namespace.get("chconn") and not hub.rows())


class Bytes(NamedTuple):
    """What a file with a token may hold. `said`: of CredentialsResolved; `reported`: by the connector's pod."""

    value: bytes
    said: tuple[str, str]
    reported: str


TOKEN = "123456:abcdefghijklmnopqrstuvwxyzabcdefghi"
WELL, BAD = ("True", "Resolved"), ("False", "SecretInvalid")
FILES = {
    "lf": Bytes(f"{TOKEN}\n".encode(), WELL, "Connected"),
    "crlf": Bytes(f"{TOKEN}\r\n".encode(), WELL, "Connected"),
    "bom": Bytes(f"\ufeff{TOKEN}".encode(), BAD, "SecretInvalid"),
    "empty": Bytes(b"", BAD, "SecretInvalid"),
    "latin": Bytes(TOKEN.encode() + "ñandú".encode("latin-1"), BAD, "SecretInvalid"),
    "utf-16": Bytes(TOKEN.encode("utf-16"), BAD, "SecretInvalid"),
    "header": Bytes(f"{TOKEN}\r\nX-Admin: yes".encode(), BAD, "SecretInvalid"),
}


@pytest.mark.parametrize("name", FILES)
def test_a6_a_token_that_ends_in_a_newline_is_taken_and_no_other_bytes_are(
    scene: Scene, tmp_path: Path, name: str
) -> None:
    """As kubectl puts a file into a Secret: the condition names the key, and nothing says the value."""
    namespace, given = scene.namespace, FILES[name]
    (tmp_path / "t.txt").write_bytes(given.value)
    secret = ("create", "secret", "generic", name, "--type=chat4all.io/credentials")
    namespace.kubectl(*secret, f"--from-file=botToken={tmp_path}/t.txt")
    made = connector(name, state="Paused", credentialsSecretRef={"name": name}, config={"mode": "Polling"})
    namespace.create(made)
    until("it is looked at", lambda: conditions(namespace.get("chconn", name)).get("CredentialsResolved") == given.said)
    found = namespace.get("chconn", name)
    message = next(one["message"] for one in found["status"]["conditions"] if one["type"] == "CredentialsResolved")
    assert ("botToken" in message) == (given.said == BAD)
    told = json.dumps([found, namespace.get("events", f"--field-selector=involvedObject.name={name}")])
    for secret_part in (TOKEN.partition(":")[2], "ñandú", "X-Admin"):
        assert secret_part not in told + scene.operator.log()


@pytest.fixture(scope="module")
def played(scene: Scene, simulator: Simulator) -> Iterator[tuple[Hub, Path, str]]:
    """A hub that plays a connector's pod, the folder with its keys, and its uid."""
    bot = simulator.control("PUT", "/telegram/bots/keys_bot", {"token": TOKEN})
    hub = Hub(scene.hub.folder.parent / "pod")
    try:
        hub.start()
        uid = "11111111-2222-3333-4444-555555555555"
        resource = connector(config={"mode": "Polling", "baseURL": simulator.url})
        resource["metadata"]["namespace"] = "team"
        hub.call("PUT", f"/{uid}", json={"managedBy": "test", "resource": resource, "unregister": False})
        play(hub, uid, {"botToken": bot["token"]})
        yield hub, hub.folder / f"credentials-{uid}", uid
    finally:
        hub.server.kill()


@pytest.mark.parametrize("name", FILES)
def test_a6_a_pod_reads_a_token_as_the_operator_does(played: tuple[Hub, Path, str], name: str) -> None:
    hub, folder, uid = played
    given = FILES[name]
    (folder / "..fresh").write_bytes(given.value)
    (folder / "..fresh").replace(folder / "botToken")

    def reported() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = hub.call("GET", f"/{uid}")["reports"]
        return [one for one in found if one["reason"] == given.reported]

    sentence = until("it is reported", reported)[0]["sentence"]
    assert given.said == WELL or "botToken" in sentence
    assert TOKEN.partition(":")[2] not in sentence
    assert hub.server.process.alive


NAME = "مرحبا بالعالم 👩‍👩‍👧‍👦🇧🇷é שלום "  # letters that run leftwards, and characters of up to seven code points


def test_a6_the_name_of_an_account_is_cut_at_a_character(scene: Scene, simulator: Simulator, tmp_path: Path) -> None:
    characters = (regex.findall(r"\X", NAME) * 200)[:200]
    name = "".join(characters)
    assert len(name) > 256, "the definition takes no more"
    bot = simulator.bot()

    def me(request: bytes) -> bytes | None:
        if "/getMe" in asked(request):
            result = {"id": bot.id, "is_bot": True, "first_name": name, "username": name}
            return answer(200, {"ok": True, "result": result})
        return None

    namespace, hub, keys = scene.namespace, scene.hub, {"botToken": bot.token}
    detour = Detour(simulator.url, rule=me)
    try:
        namespace.create(credentials("account", **keys))
        config = {"mode": "Polling", "baseURL": detour.url}
        namespace.create(connector("account", credentialsSecretRef={"name": "account"}, config=config))
        uid = namespace.get("chconn", "account")["metadata"]["uid"]
        until("it is registered", lambda: f"{LONG}.account" in hub.rows())
        play(hub, uid, keys)
        until("its account is known", lambda: namespace.get("chconn", "account")["status"].get("account"))
        account = namespace.get("chconn", "account")["status"]["account"]
        assert 100 <= len(account) <= 256
        assert f"@{name}".startswith(account)
        cut = regex.findall(r"\X", account)
        assert cut == regex.findall(r"\X", f"@{name}")[: len(cut)]
        assert account in namespace.kubectl("get", "chconn", "account")
        looks_again(scene.operator)
        written = scene.operator.writes()
        looks_again(scene.operator)
        assert scene.operator.writes() == written
        assert calls(scene.operator, "refused_writes") == 0
    finally:
        detour.close()
    assert hub.server.process.alive


PASSWORD = "@/:%#?&%41 漢字🔑'\"\\"


def test_a6_a_password_of_any_characters_is_used_as_it_is(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the code that the migrate Job and every role log in with, at a real PostgreSQL."""
    for above in (tmp_path, *tmp_path.parents):
        if above.is_relative_to(tmp_path_factory.getbasetemp().parent):
            above.chmod(above.stat().st_mode | 0o055)  # PostgreSQL is run by a user of its own
    server = PostgreSql(tmp_path, cache.folder("engines"))
    try:
        server.install()
    except StackError as error:
        pytest.skip(str(error))
    try:
        server.choose_ports(free=True)
        server.start()
        server.wait()
        login = {"user": "chat4all", "host": server.host, "port": server.port(), "dbname": "chat4all"}
        admin = psycopg2.connect(password=server.password.read_text(), **login)
        with admin, admin.cursor() as cursor:
            cursor.execute("ALTER USER chat4all PASSWORD %s", (PASSWORD,))
        admin.close()
        log_in(server, tmp_path / "password")
    finally:
        server.stop()


def log_in(server: PostgreSql, file: Path) -> None:
    """As a Secret's file has it, with the newline that an editor left."""
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    settings = DirectorySettings(
        dialect="postgresql", host=server.host, port=server.port(), user="chat4all", password_file=file
    )

    async def migrated() -> str:
        sql = Sql.at(settings)
        try:
            return await sql.migrate()
        finally:
            await sql.close()

    assert "schema" in asyncio.run(migrated())


def test_a6_no_password_is_part_of_what_the_chart_renders() -> None:
    """Each is a file of a Secret, for Jobs too: there is no URL or shell for its characters to break."""
    pods = [
        one["spec"]["template"]["spec"]
        for one in rendered("chat", "secured-engines-values.yaml")
        if one["kind"] in {"Deployment", "Job"}
    ]
    assert len(pods) >= 4
    for pod in pods:
        for container in pod["containers"]:
            for one in container["env"]:
                assert "secretKeyRef" not in one.get("valueFrom", {}), one
                if "PASSWORD" in one["name"]:
                    assert one["name"].endswith("PASSWORD_FILE"), one
                    assert Path(one["value"]).parts[1] == "secrets", one
