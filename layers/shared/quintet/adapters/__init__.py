"""Who provides what the ports ask for: memory, AWS, Redis, model files. Siblings of the doors; they know no room."""
