"""What the customer gets to read."""

from . import prices


def write(cents: int) -> dict[str, str]:
    return {"text": f"{len(prices.PRICES)} kinds of fruit; to pay: {cents // 100}.{cents % 100:02d}"}
