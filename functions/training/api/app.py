"""The training room over HTTP: API Gateway → the room's routes → the answer."""

from quintet.entry.http import as_lambda
from quintet.training.http import app

handler = as_lambda(app)
