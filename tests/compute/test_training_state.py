import hashlib

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.conftest import SMALL
from convscope.worker.errors import ModelFileError
from convscope.worker.network import build_network
from convscope.worker.settings import NetworkSettings
from convscope.worker.training import restore_state, state_to_bytes
