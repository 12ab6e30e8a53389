"""What else decides about visualizations: the cost allowed, priorities, devices, and presets as documented."""

from pathlib import Path

from convscope.service.settings import ServiceSettings
from convscope.service.validation.presets import preset_render
from convscope.v1.render_pb2 import Preset


def test_the_most_that_a_job_may_cost_is_a_setting() -> None:
    assert ServiceSettings.from_environment(environment={}).max_cost == 7 * 86_400
    assert ServiceSettings.from_environment(environment={"CONVSCOPE_MAX_COST": "90.5"}).max_cost == 90.5


def test_the_document_has_the_presets() -> None:
    text = (Path(__file__).parents[2] / "docs" / "visualization.md").read_text()
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    documented = {row[0].strip(" `"): [cell.strip(" `") for cell in row[1:]] for row in rows}
    for column, preset in enumerate((Preset.PRESET_TUTORIAL, Preset.PRESET_ROBUST)):
        settings, iterations = preset_render(preset)
        flat = {"iterations": str(iterations), "pixels` or `fourier": settings.WhichOneof("parameterization")}
        flat |= {"normalized` or `adam": settings.WhichOneof("optimizer"), "rescue": str(settings.rescue)}
        flat["decorrelate"] = str(settings.decorrelate).lower()
        for name in ("fourier", "normalized", "adam", "transforms", "regularizers"):
            part = getattr(settings, name)
            for field in part.DESCRIPTOR.fields:
                there = settings.HasField(name)
                flat[f"{name}.{field.name}"] = f"{getattr(part, field.name):g}" if there else "-"
        assert {name: documented[name][column] for name in flat} == flat
