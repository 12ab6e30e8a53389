"""Train with several seeds at once, and save the maximally activating images of the best model.

It needs a running server: `convscope up`.
"""

import argparse
import asyncio

from convscope.client import AsyncClient, AsyncJob, TrainResult


async def accuracy(client: AsyncClient, training: AsyncJob[TrainResult]) -> float:
    """Evaluate the model of a training, as soon as it is ready."""
    evaluation = await client.evaluate(training, max_errors=0)
    result = await evaluation.result()
    print(f"{training.model}: {result}", flush=True)
    return result.accuracy


async def main() -> None:
    """Train, compare and visualize."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of the server; default: CONVSCOPE_ADDRESS, else localhost:50051")
    parser.add_argument("--seeds", type=int, default=4, help="how many models to train")
    parser.add_argument("--iterations", type=int, default=1000, help="steps of each training")
    parser.add_argument("--output", default="best", help="new folder for the pictures")
    options = parser.parse_args()

    async with AsyncClient(options.address) as client:
        seeds = range(options.seeds)
        trainings = await asyncio.gather(*(client.train(iterations=options.iterations, seed=seed) for seed in seeds))
        accuracies = await asyncio.gather(*(accuracy(client, training) for training in trainings))
        best = trainings[accuracies.index(max(accuracies))]
        images = await client.visualize(best, "logits")
        async for event in images.watch():
            print(f"event {event.sequence}: {type(event).__name__}", flush=True)
        print(await client.visualizations.export(images, options.output, format="png"))


if __name__ == "__main__":
    asyncio.run(main())
