"""Data in slabs of rows: sources, one map-reduce primitive, and checkpoints."""

from .checkpoint import Checkpoint
from .map_reduce import map_reduce
from .map_rows import RowBlocks, map_rows
from .plan import Plan, plan
from .source import BlockSource
from .sources import block_source

__all__ = ["BlockSource", "Checkpoint", "Plan", "RowBlocks", "block_source", "map_reduce", "map_rows", "plan"]
