"""The readme's session with a custom Keras model, run as it is written."""

import re
from pathlib import Path

import keras
import pytest
from keras import layers

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_visualizes_every_feature_of_a_custom_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = keras.Input((9, 8, 3))
    values = layers.BatchNormalization()(layers.Conv2D(5, 3, activation="relu", name="edges")(image))
    values = layers.Dense(4, activation="softmax", name="scores")(layers.GlobalAveragePooling2D()(values))
    keras.Model(image, values).save(tmp_path / "mine.keras")
    section = README.read_text().partition("\n## Every feature of a whole model\n")[2].partition("\n## ")[0]
    _, code = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, list[object]] = {}
    exec(compile(code, "README.md", "exec"), namespace)
    assert len(namespace["images"]) == 5 + 4
    assert re.fullmatch(r"edges 0 \(9, 8, 3\) \w+\n", capsys.readouterr().out)
