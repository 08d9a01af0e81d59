"""Calls to other services over HTTP. Redirections are not followed: whom we tell is a setting's word alone."""

from collections.abc import Mapping

from quintet.kernel.errors import Unavailable

SECONDS = 5.0
"""How long a connection, and then an answer, may take."""


class HttpCalls:
    def put(self, url: str, content: Mapping[str, str]) -> int:
        """The answer's status. Raises Unavailable where there is none."""
        import urllib3

        with urllib3.PoolManager(retries=False, timeout=SECONDS) as http:
            try:
                with http.request("PUT", url, json=dict(content), redirect=False, preload_content=False) as answer:
                    return answer.status
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable("the service does not answer", url=url, reason=str(error)) from error
