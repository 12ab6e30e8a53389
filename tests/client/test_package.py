"""The package as a whole: its names, its weight, what it does not drag in."""

import json
import subprocess
import sys

import convscope.client
from convscope.client import cli, demo, errors, objectives, plots

PUBLIC = {
    convscope.client: """
        Activation AdamStep AlreadyExists AsyncClient AsyncJob AsyncModelLike AsyncVisualizations
        AttemptLost AttemptStarted Backlog CancelRequested
        CheckpointUnreadable ClassScores Client Config ContractVersion Convolution ConvscopeError DataLoss Dataset
        DeadlineExceeded Dense Device Digest Estimate EvaluateProgress EvaluateResult Event Example ExportFormat
        FailedPrecondition Failure FailureReason Feature Features File Finished Fourier HeadKind
        History Image ImageFormat ImageReady ImageStack Interpretation InvalidArgument InvalidType InvalidValue Job
        JobCancelled JobError JobFailed JobInfo JobKind JobState Layer LayerImages LayerKind Layers Limits Lineage
        Misclassified MissingExtra Model ModelHead ModelInput ModelLike ModelState NoWorker NormalizedStep
        NotFound Objective ObjectiveRef
        Objectives OptimizedImage OutOfRange Outcome PermissionDenied Pixels Precision Preset
        Priority ProtocolError Queued Regularizers Render RenderLike ResourceExhausted Restarts ServerInfo ServiceError
        Split Spread StartupError Tap Trace TrainProgress TrainResult Transforms Unauthenticated Unavailable
        Verdict Visualizations VisualizeResult Waiting WaitingReason Worker WorkerState
    """,
    plots: """
        plot_confusion_matrix plot_features plot_image plot_images plot_overview plot_restarts plot_training_curve
    """,
    cli: "main",
    objectives: "Objective Objectives Term channel direction diversity layer logit neuron objective_messages unit",
    demo: "Demo DemoResult Interrupts LocalServer",
}

# Seconds of the processor that importing the client may take, and MiB that it may then occupy.
IMPORT_S, IMPORT_MIB = 0.5, 70

MEASURE = """
import json, sys, time
start = time.process_time()  # whatever else the machine does
import convscope.client
seconds = time.process_time() - start
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "peak": peak, "modules": sorted(sys.modules)}))
"""


def test_public_names() -> None:
    for package, names in PUBLIC.items():
        assert sorted(package.__all__) == sorted(names.split()), package.__name__
        assert all(hasattr(package, name) for name in package.__all__)


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    kinds = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ConvscopeError)
    ]
    assert sorted(kinds) == sorted(errors.__all__)
    assert set(kinds) <= set(convscope.client.__all__)
    assert errors.__doc__ is not None
    assert all(f" {kind} " in f" {errors.__doc__} ".replace("\n", " ") for kind in kinds)


def test_importing_the_client_is_quick_and_light() -> None:
    runs = [json.loads(subprocess.check_output([sys.executable, "-c", MEASURE])) for _ in range(5)]
    assert min(run["seconds"] for run in runs) <= IMPORT_S  # the others were disturbed
    assert max(run["peak"] for run in runs) <= IMPORT_MIB
    heavy = {"redis", "rq", "tensorflow", "keras", "sklearn", "obstore", "matplotlib", "rich", "typer"}
    assert not heavy & {name.partition(".")[0] for name in runs[0]["modules"]}
    assert "convscope.client.aio" not in runs[0]["modules"]  # only those who use it wait for it
