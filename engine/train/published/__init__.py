"""The published training, stage by stage, driven by one configuration per published experiment."""
