"""The published training sets: seven loaders and their mixture, each indexed like a list of samples."""
