"""What is said about a group of penguins.

No task names this file. It is recorded all the same, because `summaries.py` imports it.
"""

from statistics import mean, pstdev


def sizes(groups: dict[str, list[int]]) -> list[dict[str, object]]:
    """Return one line per group, in the order of the names."""
    return [
        {
            "group": group,
            "count": len(masses),
            "mass_g": round(mean(masses), 1),
            "spread_g": round(pstdev(masses), 1),
        }
        for group, masses in sorted(groups.items())
    ]
