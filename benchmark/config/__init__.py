"""The settings of a run: RunConfig, how it is built from values and YAML files, and shown on the command line."""

from gridbench.config.build import make_config, stored_config
from gridbench.config.run_config import FIELDS, MEASURABLE, Protocol, RunConfig, flag_of, is_switch
from gridbench.config.setting import GROUPS, Setting
from gridbench.config.yaml_file import load_yaml

__all__ = [
    "FIELDS",
    "GROUPS",
    "MEASURABLE",
    "Protocol",
    "RunConfig",
    "Setting",
    "flag_of",
    "is_switch",
    "load_yaml",
    "make_config",
    "stored_config",
]
