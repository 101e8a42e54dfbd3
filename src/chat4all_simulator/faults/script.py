"""The rules in force, and how often each has matched and worked. The same calls in the same order go wrong alike."""

import random
from dataclasses import dataclass
from typing import Any

from chat4all_simulator.faults.rules import CallFault, Rule, UpdateFault
from chat4all_simulator.journal import Entry, Journal


@dataclass
class Standing:
    """A rule in force: `matched` counts the calls or updates it is for, `worked` those it did something to."""

    rule: Rule
    matched: int = 0
    worked: int = 0


class Script:
    """The rules by id, kept in the log so that they outlive the process.

    The first rule that works on a call or an update is the only one that does.
    """

    def __init__(self, journal: Journal, seed: int) -> None:
        self.seed = seed
        self._journal = journal
        self._rules: dict[str, Standing] = {}

    def __iter__(self) -> Any:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def put(self, rule: Rule) -> None:
        """Add a rule, or replace the one of that id, with its counts at 0."""
        self._journal.note("rule", rule=rule.model_dump(mode="json"))
        self._rules[rule.id] = Standing(rule)

    def remove(self, rule_id: str | None) -> bool:
        """Remove one rule, or with None all; return whether it was there."""
        if rule_id is not None and rule_id not in self._rules:
            return False
        self._journal.note("rule_removed", rule=rule_id)
        self._forget(rule_id)
        return True

    def set_seed(self, seed: int) -> None:
        """Set the number that chance in rules starts from."""
        self._journal.note("seed", seed=seed)
        self.seed = seed

    def on_call(self, provider: str, bot: str, chat: int | None, method: str) -> CallFault | None:
        """Return what goes wrong with this call, None for nothing, and count it."""
        return self._find(True, provider, bot, chat, method) if self._rules else None  # type: ignore[return-value]

    def on_update(self, provider: str, bot: str, chat: int | None, kind: str) -> UpdateFault | None:
        """Return what goes wrong with this update, None for nothing, and count it."""
        return self._find(False, provider, bot, chat, kind) if self._rules else None  # type: ignore[return-value]

    def replay(self, entry: Entry) -> None:
        """Take over the rule, the seed or the counts that an entry of the log tells of."""
        match entry["what"]:
            case "rule":
                rule = Rule.model_validate(entry["rule"])
                self._rules[rule.id] = Standing(rule)
            case "rule_removed":
                self._forget(entry["rule"])
            case "seed":
                self.seed = entry["seed"]
            case "fault" if entry["rule"] in self._rules:
                standing = self._rules[entry["rule"]]
                standing.matched, standing.worked = entry["matched"], entry["worked"]

    def _forget(self, rule_id: str | None) -> None:
        if rule_id is None:
            self._rules.clear()
        else:
            self._rules.pop(rule_id, None)

    def _find(
        self, calls: bool, provider: str, bot: str, chat: int | None, name: str
    ) -> CallFault | UpdateFault | None:
        for standing in self._rules.values():
            rule, on = standing.rule, standing.rule.on
            on_name = on.method if calls else on.update
            if (
                rule.is_on_calls == calls
                and on.provider in {None, provider}
                and (on.bot is None or on.bot.lower() == bot.lower())
                and on.chat in {None, chat}
                and (on_name is None or on_name.lower() == name.lower())
                and self._works(standing)
            ):
                return rule.do
        return None

    def _works(self, standing: Standing) -> bool:
        standing.matched += 1
        works = self._is_due(standing)
        standing.worked += works
        rule = standing.rule
        counts = {"rule": rule.id, "matched": standing.matched, "worked": standing.worked}
        self._journal.note("fault", **counts, fault=rule.do.fault if works else None)
        return works

    def _is_due(self, standing: Standing) -> bool:
        rule, count = standing.rule, standing.matched
        if rule.times is not None and standing.worked >= rule.times:
            return False
        if rule.nth is not None and count != rule.nth:
            return False
        if count < rule.first or (rule.last is not None and count > rule.last) or (count - rule.first) % rule.every:
            return False
        # A generator for each draw, so that neither other rules nor a new start of the process change what it gives.
        chance = random.Random(f"{self.seed}/{rule.id}/{count}")  # noqa: S311 - it has to be repeatable
        return chance.random() < rule.probability
