"""A reduction whose order follows from slab numbers alone."""

import threading


class MergeTree:
    """States of slabs, merged as soon as their neighbours are there, always in the same order.

    Slabs ``k·s…k·s + s - 1`` (`s` is `split_every`) are folded from left to right into node `k` of level 1, nodes of
    level 1 likewise into level 2, and so on; the last group of a level may be smaller. Which state arrives first has no
    part in it, so rounding is the same for any number of workers. At most ``s - 1`` finished nodes of a level wait,
    besides those that are ahead of a slower neighbour.
    """

    def __init__(self, merge, split_every, nodes=None):
        self.merge = merge
        self.split_every = split_every
        self.nodes = dict(nodes or {})
        self.lock = threading.RLock()

    def add(self, index, state):
        """The state of slab `index`."""
        with self.lock:
            self._put(0, index, state)

    def covers(self, index):
        """Whether slab `index` is part of a node."""
        level, deepest = 0, max((level for level, _ in self.nodes), default=-1)
        while level <= deepest:
            if (level, index) in self.nodes:
                return True
            level, index = level + 1, index // self.split_every
        return False

    def result(self, count):
        """The root over slabs ``0…count - 1``, all of which have been added."""
        with self.lock:
            level = 0
            while count > 1:
                count = -(-count // self.split_every)
                waiting = sorted(index for at, index in self.nodes if at == level)
                if waiting:
                    self._put(level + 1, waiting[0] // self.split_every, self._fold(level, waiting))
                level += 1
            return self._root()

    def _root(self):
        ((_, state),) = self.nodes.items()
        return state

    def _put(self, level, index, state):
        self.nodes[level, index] = state
        first = index // self.split_every * self.split_every
        group = range(first, first + self.split_every)
        if all((level, member) in self.nodes for member in group):
            self._put(level + 1, index // self.split_every, self._fold(level, group))

    def _fold(self, level, group):
        return fold(self.merge, [self.nodes.pop((level, member)) for member in group])


def fold(merge, states):
    """``merge(merge(a, b), c)…`` from left to right."""
    total = states[0]
    for state in states[1:]:
        total = merge(total, state)
    return total
