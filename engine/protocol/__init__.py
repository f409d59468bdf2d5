"""The wire and the file that both processes share; standard library and numpy only."""
