"""The doors: HTTP, queues, and what both share. They know no room; a room's wiring gives them what they need."""
