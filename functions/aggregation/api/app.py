"""The aggregation room over HTTP: API Gateway → the room's routes → the answer."""

from quintet.aggregation.http import app
from quintet.entry.http import as_lambda

handler = as_lambda(app)
