"""Results: frozen, unpacking like tuples, carrying their error, savable without pickle."""

from .base import Result, load
from .files import is_writable, replacing
from .host import to_host
from .info import Info

__all__ = ["Info", "Result", "is_writable", "load", "replacing", "to_host"]
