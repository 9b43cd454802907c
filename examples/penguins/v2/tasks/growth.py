"""How body mass goes with the length of the flippers: a straight line through all birds."""

from statistics import correlation, linear_regression


def growth(penguins: list[dict[str, object]]) -> dict[str, float]:
    flippers = [penguin["flipper_mm"] for penguin in penguins]
    masses = [penguin["mass_g"] for penguin in penguins]
    return {
        "grams_per_mm": round(linear_regression(flippers, masses).slope, 2),
        "correlation": round(correlation(flippers, masses), 4),
    }
