"""Turn texts into numbers and drop the birds that were not measured completely."""


def clean(rows: list[dict[str, str]]) -> dict[str, object]:
    complete = [row for row in rows if "NA" not in row.values()]
    penguins = [
        {
            "species": row["species"],
            "island": row["island"],
            "sex": row["sex"],
            "flipper_mm": int(row["flipper_length_mm"]),
            "mass_g": int(row["body_mass_g"]),
        }
        for row in complete
    ]
    return {"penguins": penguins, "dropped": len(rows) - len(penguins)}
