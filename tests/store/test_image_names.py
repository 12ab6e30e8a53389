"""Names of images: what decides an image decides its name, and nothing else does."""

from hypothesis import given

from convscope.planning import ImageNames
from convscope.planning.order import ImageOrder
from convscope.v1.render_pb2 import Adam, Render
from convscope.v1.visualize_pb2 import Restarts, VisualizeSpec
from support.planning_specs import rows, select, specs

SHA256 = "0" * 64


@given(specs())
def test_every_image_has_a_name_of_its_own(spec: VisualizeSpec) -> None:
    spec.restarts = min(spec.restarts, 3)
    order, names = ImageOrder(spec), ImageNames(spec, SHA256, rows(spec))
    digests = [names.digest(order.place(number)) for number in range(order.total)]
    assert len(set(digests)) == order.total


def test_what_decides_an_image_decides_its_name() -> None:
    base = VisualizeSpec(selections=[select("conv1")], iterations=30, restarts=2, keep=Restarts.RESTARTS_BEST)
    changes = [
        VisualizeSpec(iterations=31),
        VisualizeSpec(seed=1),
        VisualizeSpec(trace=True),
        VisualizeSpec(frames=3),
        VisualizeSpec(restarts=3),
        VisualizeSpec(keep=Restarts.RESTARTS_ALL),
        VisualizeSpec(render=Render(adam=Adam(learning_rate=1.0))),
    ]
    names = {name(base), name(base, sha256="1" * 64)}
    for change in changes:
        spec = VisualizeSpec()
        spec.CopyFrom(base)
        spec.MergeFrom(change)
        names.add(name(spec))
    assert len(names) == 2 + len(changes)


def test_what_does_not_decide_an_image_does_not_decide_its_name() -> None:
    base = VisualizeSpec(selections=[select("conv1")], iterations=30, restarts=1)
    other = VisualizeSpec(
        model="models/x", selections=[select("conv1", [3])], iterations=30, restarts=1, recompute=True
    )
    assert name(base, feature=3) == name(other, feature=3, number=0)


def name(spec: VisualizeSpec, *, sha256: str = SHA256, feature: int = 0, number: int | None = None) -> str:
    order = ImageOrder(spec)
    place = order.place(feature * order.each if number is None else number)
    assert place.feature == feature
    return ImageNames(spec, sha256, rows(spec)).digest(place)
