"""Training, conversion and inference of detection models, driven by messages."""
