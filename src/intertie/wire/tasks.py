"""Owned tasks: every background task has someone who waits for it at shutdown and hears of its crash."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """Owns tasks. A task that ends with an exception is told to `on_crash`; `close` cancels and waits."""

    def __init__(self, on_crash: Callable[[BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_crash = on_crash

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task of this owner, on the running loop."""
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    async def close(self, timeout_s: float) -> None:
        """Cancel what still runs and wait for it, at most `timeout_s` seconds."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (crash := task.exception()) is not None:
            self._on_crash(crash)
