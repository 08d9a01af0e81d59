"""The room's gRPC contract, and the code that `make proto` generates from it."""
