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


def out_of_memory(error: BaseException) -> EngineError | None:
    """The sentence for an error that says that the computer's memory, or the GPU's, is used up."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be loaded here
        return EngineError(
            "The GPU ran out of memory: close other programs that use it, choose the device 'cpu', or take "
            "smaller batches.",
            "device",
        )
    if isinstance(error, MemoryError):
        return EngineError(
            "The computer ran out of memory: close other programs, or take fewer frames or smaller batches.",
            "device",
        )
    return None
