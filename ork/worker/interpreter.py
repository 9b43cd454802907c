"""What the interpreter of a worker holds beside modules, put back between attempts.

Runs in the worker, on Python 3.9 or newer. A setting is looked at only where its module is loaded.
What a module of somebody else changes while it is imported stays with it, since it is imported but
once; all else that an attempt has changed is put back.
"""

from __future__ import annotations

import _locale
import atexit
import faulthandler
import gc
import os
import signal
import sys
import weakref
from operator import attrgetter, methodcaller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ABSENT: Any = object()
HANDLER_OF = sys.modules["_signal"].getsignal  # beneath the enumerations, which take their time
SIGNALS = sorted(set(map(int, signal.valid_signals())) - {signal.SIGKILL, signal.SIGSTOP})
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Setting:
    """Something that a module holds: read as a value, and written; the names of its attributes."""

    def __init__(
        self,
        module: str,
        read: Callable[[Any], Any],
        write: Callable[[Any, Any], Any],
        *names: str,
    ):
        self.module = module
        self.read = read
        self.write = write
        self.names = names

    def merged(self, kept: Any, before: Any, after: Any) -> Any:
        """Return what is kept once an import has changed `before` to `after`."""
        return after


class Sequence(Setting):
    """A list; what an import adds to it is kept."""

    def __init__(self, module: str, name: str):
        super().__init__(
            module,
            lambda owner: tuple(getattr(owner, name)),
            lambda owner, value: setattr(owner, name, list(value)),
            name,
        )

    def merged(self, kept: Any, before: Any, after: Any) -> Any:
        """Return the list with what came, at the end where it came."""
        came = [item for item in after if item not in before]
        return (*kept, *came) if after[: len(before)] == before else (*came, *kept)


class Mapping(Setting):
    """Names and their values; those that an import changes are kept."""

    def merged(self, kept: Any, before: Any, after: Any) -> Any:
        """Return the names with those that came or changed."""
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        return {**kept, **changed}


class Attributes(Setting):
    """Plain attributes, two or more; those that an import changes are kept."""

    def __init__(self, module: str, *names: str):
        def write(owner: Any, values: Any) -> None:
            for name, value in zip(names, values):  # noqa: B905 (strict came with 3.10)
                setattr(owner, name, value)

        super().__init__(module, attrgetter(*names), write, *names)

    def merged(self, kept: Any, before: Any, after: Any) -> Any:
        """Return the values with those that changed."""
        return tuple(k if a is b else a for k, b, a in zip(kept, before, after))  # noqa: B905


def _pair(module: str, get: str, put: str) -> Setting:
    return Setting(module, methodcaller(get), lambda owner, value: getattr(owner, put)(value))


def _write_length(owner: Any, value: Any) -> None:
    owner.tracebacklimit = value  # of tracebacks
    if value is ABSENT:
        del owner.tracebacklimit


def _read_umask(_: Any) -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _write_reactions(_: Any, handlers: tuple[Any, ...]) -> None:
    for number, handler in zip(SIGNALS, handlers):  # noqa: B905 (strict came with 3.10)
        if HANDLER_OF(number) is not handler:
            signal.signal(number, handler)


def _read_limits(owner: Any) -> dict[int, Any]:
    numbers = {getattr(owner, name) for name in dir(owner) if name.startswith("RLIMIT_")}
    return {number: owner.getrlimit(number) for number in numbers}


def _write_limits(owner: Any, limits: dict[int, Any]) -> None:
    for number, limit in limits.items():
        owner.setrlimit(number, limit)


def _read_collector(_: Any) -> Any:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug(), tuple(gc.callbacks)


def _write_collector(_: Any, value: Any) -> None:
    enabled, threshold, debug, gc.callbacks[:] = value
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    (gc.enable if enabled else gc.disable)()


def _table(module: str, find: Callable[[Any], dict[Any, Any]]) -> Setting:
    def write(owner: Any, names: dict[Any, Any]) -> None:
        held = find(owner)
        held.update(names)
        for name in held.keys() - names.keys():
            del held[name]

    return Mapping(module, lambda owner: dict(find(owner)), write)


def _write_default_context(owner: Any, value: Any) -> None:
    context = owner.Context(*value)
    for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "traps"):
        setattr(owner.DefaultContext, name, getattr(context, name))


def _read_loggers(owner: Any) -> dict[str, Any]:
    """Return the state of each logger; the name of the root is empty."""
    loggers = {"": owner.root, **owner.root.manager.loggerDict}
    return {
        name: (
            logger.level,
            tuple(logger.handlers),
            tuple(logger.filters),
            logger.propagate,
            logger.disabled,
        )
        for name, logger in loggers.items()
        if hasattr(logger, "handlers")  # no place holder
    }


def _write_loggers(owner: Any, kept: dict[str, Any]) -> None:
    for name, now in _read_loggers(owner).items():
        then = kept.get(name, (owner.NOTSET, (), (), True, False))
        if now == then:
            continue
        logger = owner.getLogger(name) if name else owner.root
        level, handlers, filters, logger.propagate, logger.disabled = then
        for handler in set(now[1]) - set(handlers):
            handler.flush()
            handler.close()
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)


SETTINGS = (
    _table("builtins", vars),
    _pair("sys", "gettrace", "settrace"),
    _pair("sys", "getprofile", "setprofile"),
    Sequence("sys", "path"),
    Sequence("sys", "meta_path"),
    Sequence("sys", "path_hooks"),
    Sequence("sys", "argv"),
    Attributes(
        "sys",
        "excepthook",
        "unraisablehook",
        "displayhook",
        "breakpointhook",
        "dont_write_bytecode",
        "pycache_prefix",
    ),
    Setting("sys", lambda owner: vars(owner).get("tracebacklimit", ABSENT), _write_length),
    _pair("sys", "getrecursionlimit", "setrecursionlimit"),
    _pair("sys", "getswitchinterval", "setswitchinterval"),
    _pair("sys", "getdlopenflags", "setdlopenflags"),
    _pair("sys", "get_int_max_str_digits", "set_int_max_str_digits"),
    Attributes("os", "environ", "environb"),
    Setting("os", _read_umask, lambda _, mask: os.umask(mask)),
    Setting(
        "os",
        lambda _: os.getpriority(os.PRIO_PROCESS, 0),
        lambda _, value: os.setpriority(os.PRIO_PROCESS, 0, value),
    ),
    Setting(
        "os",
        lambda owner: owner.sched_getaffinity(0),
        lambda _, value: os.sched_setaffinity(0, value),
    ),
    Setting("_signal", lambda _: tuple(map(HANDLER_OF, SIGNALS)), _write_reactions),
    Setting(
        "_signal",
        lambda owner: owner.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda _, value: signal.pthread_sigmask(signal.SIG_SETMASK, value),
    ),
    Setting("resource", _read_limits, _write_limits),
    Setting("gc", _read_collector, _write_collector),
    Setting(
        "_locale",
        lambda _: _locale.setlocale(_locale.LC_ALL),
        lambda _, value: _locale.setlocale(_locale.LC_ALL, value),
    ),
    Sequence("warnings", "filters"),
    Attributes("warnings", "showwarning", "_showwarnmsg_impl", "formatwarning"),
    Mapping("logging", _read_loggers, _write_loggers),
    Setting(
        "logging",
        lambda owner: owner.root.manager.disable,
        lambda owner, value: owner.disable(value),
    ),
    _table("logging", attrgetter("_levelToName")),
    _table("logging", attrgetter("_nameToLevel")),
    Attributes("logging", "raiseExceptions", "lastResort"),
    _pair("logging", "getLogRecordFactory", "setLogRecordFactory"),
    _pair("logging", "getLoggerClass", "setLoggerClass"),
    Setting(
        "decimal",
        lambda owner: owner.DefaultContext.__reduce__()[1],
        _write_default_context,
    ),
    _pair("socket", "getdefaulttimeout", "setdefaulttimeout"),
    _pair("threading", "stack_size", "stack_size"),
    Attributes("threading", "excepthook", "_trace_hook", "_profile_hook"),
    Setting(
        "asyncio.events",
        attrgetter("_event_loop_policy"),
        lambda owner, value: setattr(owner, "_event_loop_policy", value),
        "_event_loop_policy",
    ),
)
ATTRIBUTES = frozenset((setting.module, name) for setting in SETTINGS for name in setting.names)


class Interpreter:
    """What is kept of each setting, and how much waits for the end of the process."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        os.register_at_fork(after_in_child=lambda: faulthandler.unregister(signal.SIGTERM))
        self._tell_where()
        weakref.finalize(lambda: None, int)  # the first one leaves a handler, for all that follow
        self._kept = _read()
        # From now on it is looked at only once somebody has imported it: it takes its time.
        sys.modules.pop("resource", None)
        self._watched: list[tuple[Setting, Any]] = []
        self._exits, self._finalizers = _exits(), _finalizers()
        self._register = atexit.register
        atexit.register = self._registered  # type: ignore[assignment]

    def around_import(self, execute: Callable[[], None]) -> None:
        """Execute a module of somebody else; what it changes stays."""
        before, exits, finalizers = _read(), _exits(), _finalizers()
        try:
            execute()
        finally:
            for setting, value in _read().items():
                if setting not in self._kept:
                    self._kept[setting] = value
                elif setting in before and before[setting] != value:
                    kept = self._kept[setting]
                    self._kept[setting] = setting.merged(kept, before[setting], value)
            self._exits += _exits() - exits
            self._finalizers += _finalizers() - finalizers

    def waits_for_exit(self) -> bool:
        """Say whether a function of the attempt waits for the end of the process."""
        return _exits() > self._exits

    def waits_to_finalize(self) -> bool:
        """Say whether something of the attempt is to be finalized when the process ends."""
        more = _finalizers() > self._finalizers
        self._finalizers = _finalizers()
        return more

    def disarm(self) -> None:
        """Let no signal come that the attempt has asked for."""
        for timer in TIMERS:
            signal.setitimer(timer, 0)
        signal.set_wakeup_fd(-1)

    def put_back(self, *, grown: bool) -> None:
        """Put back what the attempt has changed; raise whatever is raised where that fails.

        Which modules are loaded is only asked if some have `grown` to stay.
        """
        if grown or not self._watched:
            found = _read()
            self._kept = {**found, **self._kept}
            self._watched = [(setting, sys.modules[setting.module]) for setting in found]
        for setting, owner in self._watched:
            if setting.read(owner) != self._kept[setting]:
                setting.write(owner, self._kept[setting])
        _begin_anew()
        self._tell_where()

    def _tell_where(self) -> None:
        """Let SIGTERM, before it ends the process, tell ork where each thread is.

        Below Python, which else would have to wait for C code; what it has for a handler stays.
        """
        faulthandler.unregister(signal.SIGTERM)  # its handler may have been taken away since
        faulthandler.register(signal.SIGTERM, self._channel, all_threads=True, chain=True)

    def _registered(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Register a function for the end, which is not waited for if it only ends a daemon."""
        if getattr(getattr(function, "__self__", None), "daemon", False) is True:
            self._exits += 1  # a progress bar's monitor, say
        return self._register(function, *args, **kwargs)


def _read() -> dict[Setting, Any]:
    found = {}
    for setting in SETTINGS:
        try:
            owner = sys.modules.get(setting.module)
            if owner is not None and not getattr(owner.__spec__, "_initializing", False):
                found[setting] = setting.read(owner)
        except AttributeError:  # another Python, or a module of the project with this name
            pass
    return found


def _exits() -> int:
    """Return how many functions are to be called when the process ends."""
    return int(getattr(atexit, "_ncallbacks", int)())


def _finalizers() -> int:
    """Return how many objects are to be finalized when the process ends, or before."""
    return len(getattr(weakref.finalize, "_registry", ()))


def _begin_anew() -> None:
    """Let each module be as new that is so for every process."""
    modules = sys.modules
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    faulthandler.cancel_dump_traceback_later()
    faulthandler.enable(2)
    if "warnings" in modules:
        warnings = modules["warnings"]
        filters = list(warnings.filters)
        warnings.resetwarnings()  # and so each warning is shown again where it is shown once
        warnings.filters[:] = filters
    for name in ("random", "numpy.random"):
        if name in modules:
            modules[name].seed()
