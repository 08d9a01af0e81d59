"""The demonstration: each built room at work on real-looking input, through the deployed collection."""
