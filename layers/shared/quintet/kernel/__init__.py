"""What every room stands on: errors, settings, log, clock, ids. Imports nothing of ours."""
