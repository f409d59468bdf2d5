"""The child process: one handshake, one capture, over the pipe that the add-on holds."""
