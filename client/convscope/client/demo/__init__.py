"""The tutorial, from an untrained network to the image that activates each feature most, through the service."""

from convscope.client.demo.interrupts import Interrupts
from convscope.client.demo.server import LocalServer
from convscope.client.demo.story import Demo, DemoResult

__all__ = ["Demo", "DemoResult", "Interrupts", "LocalServer"]
