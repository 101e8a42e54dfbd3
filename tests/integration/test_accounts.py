"""Who people are: logging in, being made, being found, being changed (design section 4, issue 9 and 11)."""

import base64
import json

import jwt
import pytest
from tests.integration.conftest import Start
from tests.integration.people import PASSWORD, System, expected, names, refused, unused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_token_is_a_bearer_token_signed_with_eddsa_that_names_its_key_issuer_and_audience(
    system: System,
) -> None:
    form = {"grant_type": "password", "username": "ana", "password": "demo"}
    answer = expected(await system.stranger().call("POST", "/token", data=form), 200).json()
    assert answer["token_type"] == "bearer"
    header = jwt.get_unverified_header(answer["access_token"])
    assert header["alg"] == "EdDSA"
    assert header["kid"]
    part = answer["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert claims["iss"] == system.settings.accounts.issuer
    assert claims["aud"] == system.settings.accounts.audience
    assert claims["sub"] == "ana"
    assert claims["exp"] - claims["iat"] == system.settings.accounts.token_seconds


async def test_the_scheme_of_the_authorization_header_may_be_written_in_any_case(system: System) -> None:
    ana = await system.login("ana")
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await system.stranger().call(
            "GET", "/v1/conversations", headers={"Authorization": f"{scheme} {ana.token}"}
        )
        assert answer.status_code == 200


async def test_anyone_may_register_as_a_user_and_log_in(system: System) -> None:
    body = {"username": unused(), "email": "someone@example.org", "password": PASSWORD}
    made = expected(await system.stranger().call("POST", "/v1/users", json=body), 201).json()
    assert made == {"username": body["username"], "email": "someone@example.org", "role": "user"}
    person = await system.login(body["username"], PASSWORD)
    assert await person.get("/v1/conversations") == []
    assert await person.get("/v1/users", q=body["username"]) == [made]


async def test_an_email_is_optional(system: System) -> None:
    body = {"username": unused(), "password": PASSWORD}
    made = expected(await system.stranger().call("POST", "/v1/users", json=body), 201).json()
    assert made["email"] is None


async def test_a_name_is_taken_once(system: System) -> None:
    person = await system.register()
    body = {"username": person.username, "password": "another password"}
    refused(await system.stranger().call("POST", "/v1/users", json=body), 409, "conflict", "username")
    form = {"username": person.username, "password": "another password"}
    refused(await system.stranger().call("POST", "/token", data=form), 401, "wrong-password")


@pytest.mark.parametrize("role", ["agent", "admin", "service"])
@pytest.mark.parametrize("who", ["stranger", "user", "agent"])
async def test_open_registration_makes_users_and_never_more(system: System, who: str, role: str) -> None:
    asks = system.stranger() if who == "stranger" else await system.login({"user": "bruno", "agent": "ana"}[who])
    body = {"username": unused(), "password": PASSWORD, "role": role}
    refused(await asks.call("POST", "/v1/users", json=body), 403, "forbidden")
    admin = await system.login("admin")
    assert await admin.get("/v1/users", q=body["username"]) == []


@pytest.mark.parametrize("role", ["user", "agent", "admin", "service"])
async def test_an_admin_makes_users_of_every_role(system: System, role: str) -> None:
    admin = await system.login("admin")
    body = {"username": unused(), "password": PASSWORD, "role": role}
    made = expected(await admin.call("POST", "/v1/users", json=body), 201).json()
    assert made["role"] == role


async def test_where_registration_is_not_open_only_admins_make_users(start: Start) -> None:
    system = await start(accounts={"registration": "admins"})
    admin, ana = await system.login("admin"), await system.login("ana")
    body = {"username": unused(), "password": PASSWORD}
    refused(await system.stranger().call("POST", "/v1/users", json=body), 403, "forbidden")
    refused(await ana.call("POST", "/v1/users", json=body), 403, "forbidden")
    expected(await admin.call("POST", "/v1/users", json=body), 201)


async def test_an_agent_finds_people_by_the_beginning_of_their_name(system: System) -> None:
    ana = await system.login("ana")
    people = [(await system.register(f"zoe{number}")).username for number in range(3)]
    assert names(await ana.get("/v1/users", q="zoe")) == people
    assert names(await ana.get("/v1/users", q="zoe1")) == ["zoe1"]
    assert await ana.get("/v1/users", q="oe1") == []


@pytest.mark.parametrize("wildcard", ["%", "_", "*", "xena%", "xena_1", "xena?1"])
async def test_a_search_takes_every_character_as_itself(system: System, wildcard: str) -> None:
    ana = await system.login("ana")
    if not await ana.get("/v1/users", q="xena-1"):
        await system.register("xena-1")
    assert await ana.get("/v1/users", q=wildcard) == []


async def test_a_user_finds_people_only_by_their_exact_name(system: System) -> None:
    bruno = await system.login("bruno")
    person = await system.register("yara.silva")
    assert names(await bruno.get("/v1/users", q=person.username)) == [person.username]
    for beginning in ("yara", "yara.silv", ""):
        assert await bruno.get("/v1/users", q=beginning) == []


async def test_people_are_listed_page_by_page(system: System) -> None:
    ana = await system.login("ana")
    people = [(await system.register(f"page{number}")).username for number in range(5)]
    pages = await ana.pages("/v1/users", q="page", limit=2)
    assert [person["username"] for page in pages for person in page] == people
    assert all(len(page) <= 2 for page in pages)


async def test_an_admin_changes_a_role_which_holds_from_the_next_login(system: System) -> None:
    admin = await system.login("admin")
    person = await system.register("walter")
    assert await person.get("/v1/users", q="walt") == []
    changed = expected(await admin.call("PATCH", "/v1/users/walter", json={"role": "agent"}), 200).json()
    assert changed == {"username": "walter", "email": None, "role": "agent"}
    form = {"username": "walter", "password": PASSWORD}
    token = expected(await system.stranger().call("POST", "/token", data=form), 200).json()["access_token"]
    assert names(await system.holder(token).get("/v1/users", q="walt")) == ["walter"]


async def test_an_admin_changes_a_password(system: System) -> None:
    admin = await system.login("admin")
    person = await system.register()
    change = {"password": "a better password"}
    expected(await admin.call("PATCH", f"/v1/users/{person.username}", json=change), 200)
    stranger = system.stranger()
    form = {"username": person.username, "password": PASSWORD}
    refused(await stranger.call("POST", "/token", data=form), 401, "wrong-password")
    expected(await stranger.call("POST", "/token", data={**form, **change}), 200)


@pytest.mark.parametrize("who", ["ana", "bruno"])
async def test_nobody_else_changes_users_not_even_himself(system: System, who: str) -> None:
    person = await system.login(who)
    refused(await person.call("PATCH", f"/v1/users/{who}", json={"role": "admin"}), 403, "forbidden")
    refused(await person.call("PATCH", "/v1/users/admin", json={"password": "taken over"}), 403, "forbidden")


async def test_an_unknown_user_cannot_be_changed(system: System) -> None:
    admin = await system.login("admin")
    refused(await admin.call("PATCH", "/v1/users/nobody", json={"role": "agent"}), 404, "not-found")


async def test_users_tokens_and_keys_survive_a_restart(start: Start, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("kept")
    first = await start(data=data)
    ana, _, chat = await first.pair()
    await ana.said(chat, "before")
    await first.stop()
    second = await start(data=data)
    again = second.holder(ana.token or "")
    assert [one["content"] for one in await again.history(chat)] == ["before"]
    assert (await again.said(chat, "after"))["seq"] == 2
