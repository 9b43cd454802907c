"""With ork and pytest installed, `pytest` runs these: ork brings the fixtures."""

BIRD = {"species": "Gentoo", "island": "Biscoe", "sex": "male"}


def test_birds_that_were_not_measured_are_dropped(run_task):
    rows = [
        {**BIRD, "flipper_length_mm": "220", "body_mass_g": "5400"},
        {**BIRD, "flipper_length_mm": "NA", "body_mass_g": "NA"},
    ]
    result = run_task("penguins.yaml", "clean", inputs={"rows": rows})
    assert result.ok, result.error
    assert result.output["dropped"] == 1
    assert result.output["penguins"][0]["mass_g"] == 5400


def test_the_report_counts_every_bird(run_workflow):
    result = run_workflow("penguins.yaml")
    assert result.ok, result.error
    assert len(result.outputs["clean"]["penguins"]) == 333
    assert "Gentoo" in result.outputs["report"]["text"]
