"""Body mass by group: two tasks that differ in what makes a group."""

from measures import sizes


def by_species(penguins: list[dict[str, object]]) -> dict[str, object]:
    return _summary(penguins, ("species",))


def by_island_and_sex(penguins: list[dict[str, object]]) -> dict[str, object]:
    return _summary(penguins, ("island", "sex"))


def _summary(penguins: list[dict[str, object]], keys: tuple[str, ...]) -> dict[str, object]:
    groups: dict[str, list[int]] = {}
    for penguin in penguins:
        group = ", ".join(str(penguin[key]) for key in keys)
        groups.setdefault(group, []).append(penguin["mass_g"])
    return {"sizes": sizes(groups)}
