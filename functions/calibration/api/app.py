"""The calibration room over HTTP: API Gateway → the room's routes → the answer."""

from quintet.calibration.http import app
from quintet.entry.http import as_lambda

handler = as_lambda(app)
