"""Steps of a plan in words, as a table of cases has them."""

from collections.abc import Iterable

from chat4all_operator.plan import Apply, Create, Delete, Finalizers, Forget, Register, Scale, Step


def told(steps: Iterable[Step]) -> list[str]:
    """What is done to children, to the registration and to finalizers; not what is said of it."""
    return [word for word in map(_word, steps) if word]


def _word(step: Step) -> str:
    match step:
        case Apply(kind, _) | Create(kind, _) | Delete(kind, _, _):
            return f"{type(step).__name__} {kind.name}"
        case Scale(kind, _, replicas):
            return f"Scale {kind.name} to {replicas}"
        case Register() | Finalizers() | Forget():
            return type(step).__name__
        case _:
            return ""
