"""An estimator put back as it was when an update fails."""


class Undo:
    """Puts the estimator back as it was when the body fails, whatever the reason."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        self.saved = dict(vars(self.stream))
        self.saved["_state"], self.saved["_pieces"] = dict(self.stream._state), list(self.stream._pieces)

    def __exit__(self, kind, *failure):
        if kind is not None:
            vars(self.stream).clear()
            vars(self.stream).update(self.saved)
