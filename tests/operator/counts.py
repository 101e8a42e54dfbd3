"""What an operator has counted: how often it has asked whom, and has looked at everything."""

from tests.operator.processes import Operator, until


def calls(operator: Operator, name: str, **labels: str) -> float:
    """How often its metrics have counted something with these labels."""
    return sum(
        value
        for (found, told), value in operator.metrics().items()
        if found == f"chat4all_operator_{name}_total" and labels.items() <= dict(told).items()
    )


def looks(operator: Operator) -> float:
    """How often it has listed the last kind, and thereby all of them, and asked for rows since."""
    lists = calls(operator, "kubernetes_calls", verb="list", resource="jobs", outcome="ok")
    return min(lists, calls(operator, "internal_api_calls", verb="GET"))


def looks_again(operator: Operator) -> None:
    """Wait until it has looked at everything twice more, from the beginning to the end."""
    seen = looks(operator)
    until("it has looked twice", lambda: looks(operator) >= seen + 3)  # the first may have begun before
