"""The tutorial, from an untrained network to what every feature likes to see, through the service."""

from convscope.client.demo.interrupts import Interrupts
from convscope.client.demo.server import LocalServer
from convscope.client.demo.story import Demo, DemoResult

__all__ = ["Demo", "DemoResult", "Interrupts", "LocalServer"]
