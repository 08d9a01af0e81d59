"""What the room's clients send, and the code that `make proto` generates from it."""
