"""2D pose: landmarks in every frame, and who is who over time."""
