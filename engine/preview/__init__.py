"""The mesh drawn over the video it came from, so that an eye can judge the capture."""
