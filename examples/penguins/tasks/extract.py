"""Read the table. Everything stays text here; `clean` decides what it means."""

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def extract(path: str) -> dict[str, list[dict[str, str]]]:
    wanted = ("species", "island", "sex", "flipper_length_mm", "body_mass_g")
    with (ROOT / path).open(newline="", encoding="utf-8") as file:
        rows = [{name: row[name] for name in wanted} for row in csv.DictReader(file)]
    print(f"{len(rows)} rows in {path}")
    return {"rows": rows}
