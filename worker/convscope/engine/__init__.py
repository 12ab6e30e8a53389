"""Everything TensorFlow, usable without any server: models, data, training, evaluation, visualization."""

__all__: list[str] = []
