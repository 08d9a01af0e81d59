"""The collection on one machine: `python -m infra.local up`, without an AWS account, Docker or root."""
