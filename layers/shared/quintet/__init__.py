"""Five machine-learning services as one serverless collection."""
