"""The stages in order: video → 2D landmarks → people → mesh → body → world → take."""
