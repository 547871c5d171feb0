"""How methods become calls: begun where they are called, in that order, and refused in words of ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar, cast

from . import _native
from ._errors import InvalidArgumentError, TooLargeError

P = ParamSpec("P")
T = TypeVar("T")

# What the native half makes of a text that has no UTF-8, and of a number that has no place.
REFUSED = (UnicodeEncodeError, OverflowError, TypeError)
# How it speaks of another type, without the argument's name.
OTHER_TYPE = re.compile(r"'(\w+)' object (?:is not an instance of|cannot be)|Can't extract `(\w+)` to|, not (\w+)$")
NO_LOOP = "peergraph is awaited in an asyncio loop, and none runs here; peergraph.sync needs none"
FORKED = (
    'peergraph does not work in a forked process: its threads are not there. Use the start method "spawn" of '
    "multiprocessing, or open the node after the fork"
)
# True in a forked child that has not got the library's threads.
forked = False


class Call(Coroutine[Any, Any, T]):
    """A call that has begun. Await it for its result; it is a coroutine to ``asyncio.create_task`` and the like.

    Calls take effect in the order in which they are made, whether and in whatever order they are awaited, and what they
    are given is taken at that moment. One that nobody awaits is carried out too.

    Cancelling a task that awaits one stops the waiting and no more than that: what was called may still happen, or may not,
    and calls after it are not disturbed.
    """

    __slots__ = ("__weakref__", "_coroutine", "_future", "_lazy", "_outcome")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        # What the first step waits for, or how it ended, until somebody asks.
        self._future: asyncio.Future[Any] | None = None
        self._outcome: tuple[bool, Any] | None = None
        # Made where no loop runs, for ``asyncio.run``: begins there.
        self._lazy = asyncio._get_running_loop() is None
        if not self._lazy:
            try:
                self._future = coroutine.send(None)
            except StopIteration as done:
                self._outcome = (True, done.value)
            except Exception as error:
                self._outcome = (False, error)

    def send(self, value: Any) -> Any:
        """A step, for who awaits it."""
        future, self._future = self._future, None
        if future is not None:
            return future
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            if outcome[0]:
                raise StopIteration(outcome[1])
            raise outcome[1]
        if self._lazy:
            self._lazy = False
            try:
                loop_here()
            except RuntimeError:
                self._coroutine.close()
                raise
        return self._coroutine.send(value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """An exception where it waits, for who awaits it."""
        future, self._future = self._future, None
        if future is not None:
            future.cancel()
        if self._outcome is not None:
            self._outcome = None
            raise kind if value is None else value
        if value is None and trace is None:
            return self._coroutine.throw(kind)
        return self._coroutine.throw(kind, value, trace)

    def close(self) -> None:
        """Ends the waiting."""
        future, self._future, self._outcome = self._future, None, None
        if future is not None:
            future.cancel()
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, T]:
        return cast("Generator[Any, None, T]", self)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def __del__(self) -> None:
        outcome = getattr(self, "_outcome", None)
        if outcome is not None and not outcome[0]:
            loop = asyncio._get_running_loop()
            told = {"message": "a call that nobody awaited failed", "exception": outcome[1]}
            if loop is not None:
                loop.call_exception_handler(told)

    # What asyncio shows of a task.

    @property
    def __name__(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return str(getattr(self._coroutine, "__qualname__", "call"))

    @property
    def cr_code(self) -> Any:
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> Any:
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_await(self) -> Any:
        return getattr(self._coroutine, "cr_await", None)

    def __repr__(self) -> str:
        return f"<Call of {self.__name__}>"


def call(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Call[T]]:
    """Makes a method one whose calls begin where they are made. The method awaits one thing only."""

    @functools.wraps(method)
    def begin(*args: P.args, **kwargs: P.kwargs) -> Call[T]:
        if forked:
            raise RuntimeError(FORKED)
        # A wrong signature is an error at once, as of any function.
        made = Call(method(*args, **kwargs))
        if made._outcome is not None and isinstance(made._outcome[1], REFUSED):
            made._outcome = (False, _named(made._outcome[1], method, args, kwargs))
        return made

    begin.is_call = True  # type: ignore[attr-defined]
    return begin


def loop_here() -> None:
    """Refuses to await where no asyncio loop runs, or no thread of the library. Nothing has begun then."""
    if forked:
        raise RuntimeError(FORKED)
    if asyncio._get_running_loop() is None:
        raise RuntimeError(NO_LOOP)


def no_loop_here() -> None:
    """Refuses to wait where an asyncio loop would stand still for it, or forever. Nothing has begun then."""
    if forked:
        raise RuntimeError(FORKED)
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("an asyncio loop runs in this thread: use peergraph itself and await its calls")


def blocking(method: Callable[P, T]) -> Callable[P, T]:
    """The same for a method that returns when it is done."""

    @functools.wraps(method)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        no_loop_here()
        try:
            return method(*args, **kwargs)
        except REFUSED as error:
            raise _named(error, method, args, kwargs) from None

    return done


def checked(method: Callable[P, T]) -> Callable[P, T]:
    """The same words for what is wrong with arguments, where nothing is waited for."""

    @functools.wraps(method)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except REFUSED as error:
            raise _named(error, method, args, kwargs) from None

    return done


def _named(error: Exception, method: Callable[..., Any], args: Any, kwargs: Any) -> Exception:
    """What cannot cross into the native half, with the argument's name."""
    signature = inspect.signature(method)
    given = signature.bind(*args, **kwargs).arguments
    if isinstance(error, UnicodeEncodeError):
        names = [name for name, value in given.items() if _holds(value, error.object)]
        return InvalidArgumentError(f"{_first(names)} holds half of a surrogate pair")
    if isinstance(error, OverflowError):
        numbers = {name: value for name, value in given.items() if type(value) is int}
        names = [name for name, value in numbers.items() if not 0 <= value < 2**32] or list(numbers)
        return InvalidArgumentError(f"{_first(names)} is out of range: {numbers.get(_first(names), error)}")
    matched = OTHER_TYPE.search(str(error))
    if matched is not None:
        kind = next(filter(None, matched.groups()))
        other = {name for name, each in signature.parameters.items() if kind not in str(each.annotation)}
        names = [name for name, value in given.items() if type(value).__name__ == kind and name in other]
        if len(names) == 1 and names[0] not in str(error):
            return TypeError(f"{names[0]}: {error}")
    return error


def _holds(value: object, text: str) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(_holds(each, text) for each in value)
    if isinstance(value, Mapping):
        return any(_holds(each, text) for pair in value.items() for each in pair)
    return isinstance(value, str) and value == text


def _first(names: list[str]) -> str:
    return names[0] if names else "an argument"


# Arguments as the native half takes them


def content(name: str, given: object, limit: int, *, words: bool = True) -> bytes:
    """Bytes of an argument, as they are now. Their size is checked before they are copied."""
    if isinstance(given, bytes):
        # The native half checks, and copies nothing before.
        return given
    if isinstance(given, str) and words:
        # No character takes less than a byte.
        _fits(name, len(given), limit)
        try:
            made = given.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(f"{name} holds half of a surrogate pair") from None
        _fits(name, len(made), limit)
        return made
    kinds = "bytes, a buffer of bytes or str" if words else "bytes or a buffer of bytes"
    try:
        view = memoryview(cast("bytes", given))
    except (TypeError, ValueError, BufferError):
        raise TypeError(f"{name} is {kinds}, not {type(given).__name__}") from None
    with view:
        if view.ndim == 0 or "O" in view.format or "P" in view.format:
            raise TypeError(f"{name} is {kinds}, not {type(given).__name__}")
        if not view.c_contiguous:
            raise TypeError(f"{name} is not contiguous in memory: copy it first")
        _fits(name, view.nbytes, limit)
        return view.tobytes()


def _fits(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"{name} has {size} bytes, more than {limit}")


def named_values(name: str, given: object) -> dict[str, Any] | None:
    """Attributes."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} is a mapping of names to values, not {type(given).__name__}")
    return dict(given)


def texts(name: str, given: object) -> list[str]:
    """One text, or several."""
    if isinstance(given, str):
        return [str(given)]
    found = _several(name, given, "a str or several")
    for each in found:
        if not isinstance(each, str):
            raise TypeError(f"{name} is a str or several, not {type(each).__name__}")
    return [str(each) for each in found]


def several(name: str, given: object, kind: type[T]) -> list[T]:
    """One of a kind, or several."""
    if isinstance(given, kind):
        return [given]
    wanted = f"a {kind.__name__} or several"
    found = _several(name, given, wanted)
    for each in found:
        if not isinstance(each, kind):
            raise TypeError(f"{name} is {wanted}, not {type(each).__name__}")
    return cast("list[T]", found)


def _several(name: str, given: object, wanted: str) -> list[object]:
    if isinstance(given, (bytes, bytearray, memoryview, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} is {wanted}, not {type(given).__name__}")
    return list(given)


@contextlib.contextmanager
def listening(name: str, given: Callable[[T], object] | None) -> Iterator[Callable[[T], object] | None]:
    """A function of the application that is called as long as this lasts, and not after it."""
    if given is None:
        yield None
        return
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise TypeError(f"{name} is a plain function, not {type(given).__name__}")
    lasts = True

    def told(news: T) -> None:
        if lasts:
            given(news)

    try:
        yield told
        if asyncio._get_running_loop() is None:
            # The last word may be on its way still, from another thread.
            _native.settle()
    finally:
        lasts = False


def one(name: str, given: object, *kinds: type) -> None:
    """Refuses an argument of another type; None is always fine."""
    if given is not None and not isinstance(given, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} is a {wanted}, not {type(given).__name__}")


def handle(given: object, kind: type, way: str) -> None:
    """Refuses the constructor of a handle to whoever is not the library."""
    if not isinstance(given, kind):
        raise TypeError(way)
