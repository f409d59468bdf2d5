"""The accuracy report: where the network and the fit are right and wrong, in tables and pictures."""
