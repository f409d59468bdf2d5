"""Training: posed bodies → random cameras → MediaPipe-like detections → the network."""
