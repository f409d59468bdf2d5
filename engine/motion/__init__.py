"""What happens over time: gaps, smoothing, contacts, ground, trajectory, quality. Arrays in, arrays out. See
docs/fit.md.
"""
