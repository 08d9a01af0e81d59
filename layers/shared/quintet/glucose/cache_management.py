"""The five actions on what is kept of traces."""

from collections.abc import Callable

from quintet.glucose.asking import Asked
from quintet.glucose.cache import AnalysisCache
from quintet.glucose.messages import CacheAction, CacheAnswer, CacheRequest
from quintet.kernel.errors import InvalidInput, PermissionDenied


def manage_cache(request: CacheRequest, asked: Asked, cache: AnalysisCache) -> CacheAnswer:
    """Raises PermissionDenied for a flush by somebody who is no administrator, InvalidInput where a handle misses."""
    done, message, affected = ACTIONS[request.action](request.handle, asked, cache)
    known = cache.info(asked.owner)
    return CacheAnswer(
        success=done,
        message=message,
        cache_size=known.size,
        persisted_count=known.persisted,
        items_affected=affected,
    )


Done = tuple[bool, str, int | None]


def _flush(handle: str | None, asked: Asked, cache: AnalysisCache) -> Done:
    if not asked.administrator:
        raise PermissionDenied("flush forgets everybody's traces and is for administrators; delete takes one handle.")
    count = cache.flush()
    return True, f"All traces forgotten: {count}.", count


def _info(handle: str | None, asked: Asked, cache: AnalysisCache) -> Done:
    return True, "Traces kept for you.", None


def _delete(handle: str | None, asked: Asked, cache: AnalysisCache) -> Done:
    if handle is None:
        raise InvalidInput("delete needs a handle: send action=delete&handle=HANDLE.")
    known = cache.erase(asked.owner, handle)
    return known, "The trace is forgotten everywhere." if known else "No trace of yours has this handle.", int(known)


def _save(handle: str | None, asked: Asked, cache: AnalysisCache) -> Done:
    count = cache.save(asked.owner, handle)
    return bool(count), f"Traces saved to the bucket: {count}.", count


def _load(handle: str | None, asked: Asked, cache: AnalysisCache) -> Done:
    count = cache.load(asked.owner, handle)
    return bool(count) or handle is None, f"Traces loaded from the bucket: {count}.", count


ACTIONS: dict[CacheAction, Callable[[str | None, Asked, AnalysisCache], Done]] = {
    "flush": _flush,
    "info": _info,
    "delete": _delete,
    "save": _save,
    "load": _load,
}
