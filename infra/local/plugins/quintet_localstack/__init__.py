"""Plugins for LocalStack's open core: Lambda functions as local processes, and control planes by moto."""
