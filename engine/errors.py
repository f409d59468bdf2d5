"""The one exception a user is meant to read."""


class EngineError(Exception):
    """One sentence that names the cause and the remedy; shown as is in the panel and on the command line.

    Args:
        text: the sentence.
        kind: a stable word for programs ("input", "no_person", "disk", "device", "protocol", "internal").
    """

    def __init__(self, text: str, kind: str = "input") -> None:
        super().__init__(text)
        self.text = text
        self.kind = kind
