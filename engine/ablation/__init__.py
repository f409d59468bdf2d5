"""What each design choice is worth: variants that differ in one thing, trained and measured alike."""
