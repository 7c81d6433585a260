"""Shapes of tensors, checked: every call of an annotated function compares its tensors with its annotations.

jaxtyping's import hook wraps the functions of the packages named here as they are imported, with beartype. The packages
themselves have annotations and no decorator, so a run checks nothing and pays nothing; only this process of the tests
does, not the workers and programs that it starts.
"""

import importlib.util
import sys
from typing import Any

import jaxtyping
import torch

PACKAGES = ["scaling.models", "scaling.runs", "scaling.training"]


def check_shapes() -> None:
    """Install the hook; to be called before anything of ours is imported.

    Without beartype (the environment of tests/xla has none) nothing is checked.
    """
    if importlib.util.find_spec("beartype") is None:
        return
    # torch.compile would trace the wrappers too and break its graph at them, so they step aside while it traces:
    # jaxtyping reads this switch at every call, and the compiler takes the answer for a constant.
    config: Any = type(jaxtyping.config)
    config.jaxtyping_disable = property(lambda _: torch.compiler.is_compiling())
    jaxtyping.install_import_hook(PACKAGES, f"{__name__}.typechecked")


def typechecked(function: Any) -> Any:
    """beartype's decorator, to which an int is a float, as to mypy."""
    from beartype import BeartypeConf, beartype

    return beartype(conf=BeartypeConf(is_pep484_tower=True))(function)


def forget_compiled_code() -> None:
    """Empty torch.compile's cache, if there is one.

    It keeps a few versions of each code object, and all wrappers are one: many small models would fill it.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
