"""A registry: components by name, each imported when it is first asked for (a leaf: it imports only other leaves).

Built-in components are *placed* by name; outside packages are found through entry points; a plug-in file registers
by decorator when it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from gridbench.core.source import docstring, failing_line, first_line, module_file, raised_by_statement
from gridbench.errors import InputError, in_words, nearest

__all__ = ["DuplicateName", "Registry", "UnknownName"]

T = TypeVar("T")


# Names are used in lists separated by commas, in tables and in names of folders, of which a system allows 255 bytes:
# a data set's (100), a method's, a loss's, and 30 for rate, seed and identity.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")


class UnknownName(InputError):
    """A name that nothing is registered under."""


class DuplicateName(InputError):
    """Two different components that claim one name."""


@dataclass(frozen=True)
class _Place:
    """Location of a component: its module, the attribute in it, who registered it, and a summary if known."""

    module: str
    attribute: str
    origin: str
    summary: Callable[[], str] | None = None

    def holds(self, component: object) -> bool:
        """Return whether a component was defined in the module, or in a part of the package of that name."""
        module = str(getattr(component, "__module__", ""))
        return module == self.module or module.startswith(self.module + ".")


class Registry(Generic[T]):
    """Name -> component, imported on first use; a collision is an error that names both origins.

    Args:
        kind: Singular noun for messages, such as `"method"`.
        home: Package that places the built-in components when imported, such as `"gridbench.methods"`.
        group: Entry-point group through which installed packages add theirs.
        required: Attributes that a component must have.
        base: Class to derive it from, which has most of them, for messages.
        instances: Whether a component is an object; a class is then made into one, without arguments.
    """

    def __init__(
        self,
        kind: str,
        home: str,
        group: str,
        required: tuple[str, ...] = (),
        base: str = "",
        instances: bool = False,
    ) -> None:
        self.kind = kind
        self.base = base
        self.home = home
        self.group = group
        self.required = required
        self.instances = instances
        self._places: dict[str, _Place] = {}
        self._loaded: dict[str, tuple[T, str]] = {}
        self._discovered = False
        self._lock = threading.RLock()

    def place(
        self,
        name: str,
        module: str,
        attribute: str,
        origin: str = "gridbench",
        summary: Callable[[], str] | None = None,
    ) -> None:
        """Announce a component without importing it.

        Args:
            name: Registry name.
            module: Importable module that holds it.
            attribute: Name of the component in that module.
            origin: Who announces it, for messages.
            summary: Returns what it is, in one line; None to read it from the documentation.

        Raises:
            DuplicateName: Another component has that name.
            InputError: It cannot be a name.
        """
        self._check_name(name, origin)
        with self._lock:
            place = _Place(module, attribute, origin, summary)
            known = self._places.get(name)
            if known is not None and (known.module, known.attribute) != (module, attribute):
                raise self._collision(name, known.origin, origin)
            if known is None and name in self._loaded:
                raise self._collision(name, self._loaded[name][1], origin)
            self._places[name] = known or place

    def register(self, component: T, name: str, origin: str) -> T:
        """Enter a component under a name, and return what was entered.

        Raises:
            DuplicateName: Another component has that name.
            InputError: The component lacks an attribute that its kind must have, or it cannot be a name.
        """
        self._check(name, component, origin)
        self._discover()
        with self._lock:
            known = self._places.get(name)
            if known is not None and not known.holds(component):
                raise self._collision(name, known.origin, origin)
            return self._enter(name, component, known.origin if known else origin)

    def get(self, name: str) -> T:
        """Return the component of that name, importing it if need be.

        Raises:
            UnknownName: With the nearest name and the list of what there is.
            InputError: The component's module cannot be imported; the message names module and line.
        """
        self._discover()
        if name not in self._loaded:
            if name not in self._places:
                raise UnknownName(self._unknown(name))
            self._load(name, self._places[name])
        return self._loaded[name][0]

    def packages(self) -> set[str]:
        """Return the packages, and plug-ins, that components come from, whether or not they are imported."""
        with self._lock:
            modules = {place.module for place in self._places.values()}
            modules |= {_qualified(component)[0] for component, _ in self._loaded.values()}
        return {module.partition(".")[0] for module in modules}

    def names(self) -> list[str]:
        """Return every name in alphabetical order, without importing the components."""
        self._discover()
        with self._lock:
            return sorted({*self._places, *self._loaded})

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def origin(self, name: str) -> str:
        """Return where a name was registered: `"gridbench"`, a package with its version, or a file."""
        self._discover()
        if name in self._loaded:
            return self._loaded[name][1]
        if name in self._places:
            return self._places[name].origin
        raise UnknownName(self._unknown(name))

    def summary(self, name: str) -> str:
        """Return what the component is in one line, from its documentation, read without importing it."""
        self._discover()
        announced = self._places[name].summary if name in self._places else None
        if announced is not None:
            return announced()
        if name in self._loaded:
            component = self._loaded[name][0]
            module = sys.modules.get(getattr(component, "__module__", ""))
            return first_line(getattr(module, "__doc__", None) or getattr(component, "__doc__", None))
        if name not in self._places:
            raise UnknownName(self._unknown(name))
        place = self._places[name]
        return first_line(docstring(place.module, place.attribute))

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Forget on leaving the `with` block what was registered within it."""
        self._discover()
        places, loaded = dict(self._places), dict(self._loaded)
        try:
            yield
        finally:
            with self._lock:
                self._places, self._loaded = places, loaded

    # Nothing is imported while the lock is held: a thread that imports holds Python's lock of that module,
    # and two threads that take the two locks in opposite orders would wait for each other for ever.

    def _discover(self) -> None:
        if self._discovered:
            return
        importlib.import_module(self.home)
        for entry in importlib.metadata.entry_points(group=self.group):
            origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
            self.place(entry.name, entry.module, entry.attr, origin)
        self._discovered = True

    def _load(self, name: str, place: _Place) -> None:
        try:
            module = importlib.import_module(place.module)
            component = cast(T, getattr(module, place.attribute) if place.attribute else module)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not raised_by_statement(error):
                raise
            where = failing_line(error, module_file(place.module))
            raise InputError(
                f"The {self.kind} {name!r} of {place.origin} cannot be imported: {in_words(error)}{where}"
            ) from error
        self._check(name, component, place.origin)
        with self._lock:
            self._enter(name, component, place.origin)

    def _check_name(self, name: object, origin: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(
                f"The name {str(name)[:100]!r} of a {self.kind} from {origin} cannot be used: take letters, digits, "
                "dot, dash and underscore, 60 at most, and begin with a letter, a digit or an underscore."
            )

    def _check(self, name: str, component: T, origin: str) -> None:
        """Refuse a component that lacks what its kind must have, or that has another name."""
        self._check_name(name, origin)
        missing = [attribute for attribute in self.required if not hasattr(component, attribute)]
        missing += sorted(getattr(component, "__abstractmethods__", ()))
        if missing:
            derive = f" Derive its class from {self.base}." if self.base else ""
            raise InputError(f"The {self.kind} {name!r} from {origin} lacks {', '.join(missing)}.{derive}")
        version = getattr(component, "version", 1)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise InputError(
                f"The {self.kind} {name!r} from {origin} has the version {version!r}; it must be a whole number from 1."
            )
        if isinstance(component, type):
            # Only the class's own name counts; a subclass inherits the name of the component that it extends.
            own = vars(component).get("name")
            if own is None:
                component.name = name  # type: ignore[attr-defined]
        else:
            own = getattr(component, "name", None)
        if own is not None and own != name:
            raise InputError(
                f"The {self.kind} {name!r} from {origin} calls itself {own!r}; use one name for it."
            )

    def _enter(self, name: str, component: T, origin: str) -> T:
        if name in self._loaded:
            earlier, earlier_origin = self._loaded[name]
            # A file that is imported again redefines the same component; anything else is a conflict.
            again = earlier_origin == origin and _qualified(earlier) == _qualified(component)
            if earlier is not component and not again:
                raise self._collision(name, earlier_origin, origin)
        entered = cast(T, component()) if self.instances and isinstance(component, type) else component
        self._loaded[name] = (entered, origin)
        return entered

    def _collision(self, name: str, first: str, second: str) -> DuplicateName:
        way = "Rename one of them."
        if first == second:
            way = "Without a name, a decorator takes that of the file: write another into its parentheses."
        return DuplicateName(
            f"The name of the {self.kind} {name!r} is taken twice: by {first} and by {second}. {way}"
        )

    def _unknown(self, name: str) -> str:
        names = self.names()
        known = ", ".join(names) or "none"
        hint = self._named_otherwise(name) or nearest(name, names)
        return f"There is no {self.kind} {name!r}.{hint} There are: {known}."

    def _named_otherwise(self, name: str) -> str:
        """Return a sentence on a plug-in's class of that name that is registered under another, such as its file's."""
        wanted = _letters(name)
        for other, (component, origin) in self._loaded.items():
            module, called = _qualified(component)
            if wanted and _letters(called) == wanted and not module.startswith("gridbench."):
                return (
                    f" The class {called} of {origin} is registered as {other!r}; to name it {name!r}, write "
                    f'("{name}") behind its decorator.'
                )
        return ""


def _letters(name: str) -> str:
    """Return what a class and a registered name have in common: MyLoss and my_loss."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _qualified(component: object) -> tuple[str, str]:
    owner = component if hasattr(component, "__qualname__") else type(component)
    return str(getattr(component, "__module__", "")), str(getattr(owner, "__qualname__", ""))
