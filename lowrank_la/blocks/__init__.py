"""Data in slabs of rows: sources, one map-reduce primitive, and checkpoints."""

from .checkpoint import Checkpoint
from .demand import Span
from .map_reduce import map_reduce
from .map_rows import RowBlocks, map_rows
from .plan import Plan, plan
from .source import BlockSource
from .sources import block_source

__all__ = ["BlockSource", "Checkpoint", "Plan", "RowBlocks", "Span", "block_source", "map_reduce", "map_rows", "plan"]
