"""Command-line clients, for users' own machines."""
