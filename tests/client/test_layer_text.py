"""Layers and features as they are written on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.client.cli.layers import (
    features_text,
    parse_convolutions,
    parse_dense,
    parse_features,
    parse_layers,
)
from convscope.client.errors import InvalidValue
from convscope.client.network import Convolution, Dense


def test_layers_on_the_command_line() -> None:
    written = Convolution(filters=16, kernel_size=5, activation="relu", pool_size=2)
    assert parse_convolutions("16@5:relu/2, 36") == [written, Convolution(filters=36)]
    assert parse_convolutions("8@3:tanh/1") == [Convolution(filters=8, kernel_size=3, activation="tanh", pool_size=1)]
    assert parse_convolutions("none") == []
    assert parse_convolutions(None) is None
    assert parse_dense("128,64:elu") == [Dense(units=128), Dense(units=64, activation="elu")]
    assert parse_layers([]) is None
    assert parse_layers(["conv1", "1:0-2,7", "logits:2"]) == {"conv1": None, 1: [0, 1, 2, 7], "logits": range(2, 3)}
    assert parse_layers(["conv2:0-2000000000"]) == {"conv2": range(2_000_000_001)}  # and no list of them
    assert parse_layers(["conv1:0-1", "conv2", "conv1:7,3"]) == {"conv1": [0, 1, 7, 3], "conv2": None}
    assert parse_layers(["0:1", "0", "0:2"]) == {0: None}
    for wrong in ([":3"], ["conv1:a"], ["conv1:3-1"], ["conv1:-1"], ["conv1:"], [""]):
        with pytest.raises(InvalidValue):
            parse_layers(wrong)


@given(st.sets(st.integers(0, 30), min_size=1))
def test_features_are_written_as_they_are_read(features: set[int]) -> None:
    text = features_text(sorted(features))
    assert list(parse_features(text)) == sorted(features)
    assert len(text.split(",")) == sum(feature - 1 not in features for feature in features)
