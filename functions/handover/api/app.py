"""The handover room over HTTP: API Gateway → the room's routes → the answer."""

from quintet.entry.http import as_lambda
from quintet.handover.http import app
from quintet.handover.wiring import handover

handler = as_lambda(app)
handover().warm_model()
