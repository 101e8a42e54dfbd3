"""Invariant 4, read off the statements: what reaches the router's tables carries a position as its timestamp, and
nothing else does; conditions are for plans and attempts alone."""

import re

import pytest

from chat4all.store.cassandra import schema as cassandra_schema
from chat4all.store.cassandra.statements import LEDGER, STORE
from chat4all.store.columns import DELIVERIES, TABLES

ALL = {**{f"store {name}": cql for name, cql in STORE.items()}, **{f"ledger {n}": cql for n, cql in LEDGER.items()}}
WRITES = {name: cql for name, cql in ALL.items() if not cql.startswith("SELECT")}
ROUTERS = {table.name for table in (*TABLES, DELIVERIES)}
CONDITIONAL = {"plans", "attempts"}


def table_of(cql: str) -> str:
    found = re.search(r"\b(?:FROM|INTO|UPDATE) (\w+)", cql)
    assert found is not None, cql
    return found[1]


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_of_its_table_s_kind(name: str) -> None:
    cql, table = WRITES[name], table_of(WRITES[name])
    assert ("USING TIMESTAMP ?" in cql) == (table in ROUTERS), "a position, or the time of day"
    assert not (cql.startswith("DELETE") and table in ROUTERS), "nothing is taken back"
    assert (" IF " in cql) == (table in CONDITIONAL), "a condition where there is to be one"


def test_every_table_is_written_and_every_statement_is_of_a_table_of_the_schema() -> None:
    made = {
        found[1]
        for _, cql in cassandra_schema.steps()
        for statement in cassandra_schema.statements(cql)
        if (found := re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", statement))
    }
    assert {table_of(cql) for cql in WRITES.values()} == made
    assert made >= ROUTERS


def test_the_schema_has_the_columns_that_the_code_names() -> None:
    text = " ".join(statement for _, cql in cassandra_schema.steps() for statement in cassandra_schema.statements(cql))
    for table in (*TABLES, DELIVERIES):
        body = re.search(rf"TABLE IF NOT EXISTS {table.name} \((.*?)\) WITH", text, re.DOTALL)
        assert body is not None, table.name
        for column in (*table.key, *table.columns):
            assert re.search(rf"\b{column} (text|bigint)", body[1]), f"{table.name}.{column}"


def test_steps_are_in_order_and_their_statements_can_be_repeated() -> None:
    versions = [version for version, _ in cassandra_schema.steps()]
    assert versions == sorted(versions)
    for _, cql in cassandra_schema.steps():
        for statement in cassandra_schema.statements(cql):
            assert " IF NOT EXISTS " in statement
            assert "UnifiedCompactionStrategy" in statement
