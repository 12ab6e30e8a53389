"""Properties of this process that decide the exact bits of a computation, besides its settings."""

import os
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from convscope.engine.runtime.threads import thread_count

__all__ = ["environment"]


def environment() -> dict[str, str]:
    """Return the properties that decide the bits, by name: software versions, processor, threads, oneDNN."""
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "processor": _processor(),
        "threads": str(thread_count()),
        "threads_per_operation": str(tf.config.threading.get_intra_op_parallelism_threads() or "all"),
        "onednn": "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") in {"0", "false"} else "default",
    }


def _processor() -> str:
    """Return the processor's model as Linux names it, with its bfloat16 features: kernels are chosen by them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in fields.get("flags", "").split()]
    return " ".join([fields.get("model name", platform.machine()), *flags])
