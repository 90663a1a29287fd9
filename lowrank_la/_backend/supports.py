"""One declaration above each public function states what it covers.

The table of the docs is made from `SUPPORT`, and `tests/contracts/test_support.py` tries every entry.
"""

import inspect
from dataclasses import dataclass, fields

SUPPORT = {}


@dataclass(frozen=True)
class Support:
    """What a public function accepts; a namespace counts as covered once its tests or GPU runs say so."""

    numpy: bool = True
    strict: bool = True
    torch: bool = True
    cupy: bool = True
    sparse: bool = True
    operators: bool = True
    blocks: bool = False
    complex: bool = True
    half: bool = True
    autograd: bool = False

    def namespaces(self):
        """Array namespaces that the function is written for."""
        return tuple(name for name in ("numpy", "strict", "torch", "cupy") if getattr(self, name))

    def table_row(self):
        """The declaration as a dict."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def supports(*, demand=None, **declared):
    """Register the decorated public function with its `Support`.

    ``demand(data, ...)``, called with the arguments of the function, tells what it would ask of data in blocks.
    """

    def register(fn):
        fn.__lowrank_support__ = SUPPORT[fn.__name__] = Support(**declared)
        if demand is not None:
            fn.__lowrank_demand__ = demand
        return fn

    return register


def demand_of(function, *arguments, **options):
    """What `function` would ask of data in blocks, called like this; None where it does not tell.

    TypeError for arguments that it does not take.
    """
    demand = getattr(function, "__lowrank_demand__", None)
    if demand is None:
        return None
    try:
        bound = inspect.signature(function).bind(*arguments, **options)
    except TypeError as error:
        raise TypeError(f"{function.__name__}() {error}") from None
    bound.apply_defaults()
    return demand(**bound.arguments)
