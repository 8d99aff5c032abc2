"""Plans: fully resolved runs, made from the settings that a user gave."""

from gridbench.plan.make import PROTOCOL_VERSION, make_plan
from gridbench.plan.plan import Plan

__all__ = ["PROTOCOL_VERSION", "Plan", "make_plan"]
