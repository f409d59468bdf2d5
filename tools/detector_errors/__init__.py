"""The 2D detector's errors on rendered bodies: draw shots, render them, detect, describe."""
