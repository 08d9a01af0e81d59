"""Pictures over HTTP: API Gateway → the room's routes, with the library that draws → the picture, and a copy in S3."""

from quintet.entry.http import as_lambda
from quintet.handover.http import app

handler = as_lambda(app)
