"""Orders: lines of an item and a count."""

from .prices import PRICES


def price(lines: list[dict[str, object]]) -> dict[str, int]:
    return {
        "cents": sum(PRICES[line["item"]] * line["count"] for line in lines),
        "items": sum(line["count"] for line in lines),
    }
