"""How one run works: specs, models, data, training, transfer, cost and the rows they leave. Imports no ray."""

import importlib
import sys
from types import ModuleType
from typing import Any

# Modules that study files of users import by the names of 0.1.0: where each name is now. New code imports it there.
_SETS = (
    "CIFAR10 CIFAR100 DIGITS FASHION FLOWERS IFS IMAGENET IMAGENET_21K IMAGENET_REAL JFT_300M LAYOUTS OBJECTNET PETS"
)
OLD_MODULES: dict[str, tuple[str, dict[str, str]]] = {  # old module: (new module, {old name: new name})
    "scaling.datasets": ("scaling.data", {name: name for name in (*_SETS.split(), "ifs", "layouts", "resolve")}),
    "scaling.zoo": ("scaling.specs", {"ZOO": "ZOO", "model": "zoo_model"}),
    "scaling.models.checkpoints": (
        "scaling.checkpoints.formats",
        {"load": "load_weights", "save_npz": "save_npz", "save_safetensors": "save_safetensors"},
    ),
}


def _stand_in(old: str, new: str, names: dict[str, str]) -> ModuleType:
    """A module of the old name that imports the new one when one of its names is asked for."""

    def contents(name: str) -> Any:
        if name not in names:  # pickle and inspect ask every loaded module for all sorts of names
            raise AttributeError(f"module {old!r} has no attribute {name!r}: it is {new} since 0.1.0")
        return getattr(importlib.import_module(new), names[name])

    module = ModuleType(old, f"The name up to 0.1.0 of `{new}`: import that instead.")
    vars(module)["__getattr__"] = contents  # PEP 562: what `from old import name` asks
    return module


for _old, (_new, _names) in OLD_MODULES.items():
    sys.modules[_old] = _stand_in(_old, _new, _names)
