"""Steps of optimisers: all parameters in one call into C (csrc/optimizers.h)."""

cimport cython
from libc.stdint cimport int64_t

from fastrnn._arrays cimport Held, hold
from fastrnn._csrc cimport FR_ADAM, FR_RMSPROP, FR_SGD, fr_kernels, fr_rule, fr_update_args
from fastrnn._kernels cimport _workers, table_of
from fastrnn._memory cimport Block

import numpy as np

RULES = {"sgd": FR_SGD, "rmsprop": FR_RMSPROP, "adam": FR_ADAM}
NEEDED = {"sgd": 0, "rmsprop": 1, "adam": 2}  # memories without which a rule cannot be: the first so many


cdef class Table:
    """Parameters, and the memories that an optimiser keeps of them, as C is told of them; made once.

    Parameters
    ----------
    names : list of str
    arrays : list of ndarray
        The parameters of these names, float32 first, then float64.
    decayed : list of bool
        Which of them weight decay is for.
    offsets : list of int
        Where the part of each begins in its dtype's memories.
    single, double : list of (ndarray or None)
        The memories of each dtype, flat, at most three: None where the rule needs none.
    """

    cdef readonly list names, arrays
    cdef list _direct, _memories  # the parameters or copies of them; arrays that memories lie in
    cdef Held _w
    cdef Block _decayed, _offsets
    cdef void *_memory[2][3]
    cdef bint _busy

    def __init__(self, list names, list arrays, list decayed, list offsets, list single, list double):
        cdef Py_ssize_t i
        self.names, self.arrays = list(names), list(arrays)
        self._direct = list(arrays)
        self._w = hold(self._direct, True)
        if not len(names) == len(arrays) == len(decayed) == len(offsets):
            raise ValueError("names, arrays, decayed, offsets: expected one of each for a parameter")
        self._decayed = Block(<size_t>len(decayed))
        self._offsets = Block(<size_t>(len(offsets) * sizeof(int64_t)))
        for i in range(self._w.count):
            (<char *>self._decayed.start)[i] = bool(decayed[i])
            (<int64_t *>self._offsets.start)[i] = offsets[i]
        self._memories = [self._remember(0, single), self._remember(1, double)]

    cdef object _remember(self, int is_double, list memories):
        """Write down where the memories of one dtype lie, after checking that each has a part for each array."""
        cdef Held held = Held([memory for memory in memories if memory is not None], True)
        cdef Py_ssize_t first = self._w.singles if is_double else 0
        cdef Py_ssize_t end = self._w.count if is_double else self._w.singles
        cdef Py_ssize_t i, k, place = 0
        if len(memories) != 3:
            raise ValueError(f"memories: expected three of a dtype, some perhaps None, got {len(memories)}")
        for k in range(3):
            self._memory[is_double][k] = NULL
            if memories[k] is None:
                continue
            if held.views[place].itemsize != (8 if is_double else 4):
                raise ValueError(f"memories: expected {'float64' if is_double else 'float32'}")
            self._memory[is_double][k] = held.views[place].buf
            for i in range(first, end):
                if not 0 <= self._offset(i) <= held.views[place].len // held.views[place].itemsize - self._w.sizes[i]:
                    raise ValueError(f"offsets: {self._offset(i)} leaves no room for {self.names[i]!r}")
            place += 1
        return held

    cdef int64_t _offset(self, Py_ssize_t i) noexcept:
        return (<int64_t *>self._offsets.start)[i]

    def holds(self, parameters):
        """Return whether these are the very arrays that the table was made of."""
        cdef Py_ssize_t i
        if len(parameters) != len(self.names):
            return False
        for i in range(len(self.names)):
            if parameters.get(self.names[i]) is not self.arrays[i]:
                return False
        return True

    def step(
        self, gradients, str rule, *, double rate, double l2=0, double shrink=1, double momentum=0,
        bint nesterov=False, double beta1=0, double beta2=0, double root=1, double eps=0, threads=None, str isa=None,
    ):
        """Change the parameters and the memories by one step; see csrc/optimizers.h for the equations.

        Parameters
        ----------
        gradients : mapping of str to ndarray
            As many and of the same shapes and dtypes as the parameters; more are let be.
        rule : {"sgd", "rmsprop", "adam"}
        """
        cdef fr_update_args args
        self._expect_memories(rule)
        args.rule = <fr_rule><int>RULES[rule]
        args.rate, args.l2, args.shrink, args.momentum, args.nesterov = rate, l2, shrink, momentum, nesterov
        args.beta1, args.beta2, args.root, args.eps = beta1, beta2, root, eps
        cdef Held g = self._gradients(gradients)
        cdef int workers = _workers(threads)
        with cython.critical_section(self):
            if self._busy:
                raise RuntimeError("update: this optimizer is at work in another thread")
            self._busy = True
        try:
            self._copy(self.arrays, self._direct)
            self._run(&args, g, False, workers, isa)
            self._run(&args, g, True, workers, isa)
            self._copy(self._direct, self.arrays)
        finally:
            self._busy = False

    cdef object _expect_memories(self, str rule):
        cdef int is_double, k
        cdef Py_ssize_t[2] counts = [self._w.singles, self._w.count - self._w.singles]
        if rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(RULES)}, got {rule!r}")
        for is_double in range(2):
            for k in range(<int>NEEDED[rule]):
                if counts[is_double] > 0 and self._memory[is_double][k] == NULL:
                    raise ValueError(f"memories: expected {NEEDED[rule]} for {rule}, number {k} is None")

    cdef object _run(self, fr_update_args *args, Held g, bint is_double, int workers, str isa):
        """Do what there is to do in one dtype."""
        cdef const fr_kernels *kernels = table_of(isa, is_double)
        cdef Py_ssize_t first = self._w.singles if is_double else 0
        cdef int k
        self._w.describe(&args.arrays, is_double, workers)
        if args.arrays.count == 0:
            return
        args.w, args.g = self._w.of(is_double), <const void *const *>g.of(is_double)
        args.decayed = <const char *>self._decayed.start + first
        args.offsets = <const int64_t *>self._offsets.start + first
        for k in range(3):
            args.memory[k] = self._memory[is_double][k]
        with nogil:
            kernels.update(args)

    cdef object _copy(self, list source, list target):
        """Copy the arrays that C does not take as they are, to their copies or back."""
        cdef Py_ssize_t i
        for i in range(len(source)):
            if source[i] is not target[i]:
                target[i][...] = source[i]

    cdef Held _gradients(self, gradients):
        cdef list listed
        try:
            listed = [gradients[name] for name in self.names]
        except KeyError:
            missing = [name for name in self.names if name not in gradients]
            raise ValueError(f"gradients: expected one for each parameter, got none for {missing}") from None
        cdef Held held
        try:
            held = Held(listed, False)
        except (BufferError, TypeError, ValueError):
            listed = [np.asarray(g) for g in listed]
            self._expect_dtypes(listed)
            held = hold(listed, False)
        cdef Py_ssize_t i = self._w.first_unlike(held)
        if i >= 0:
            self._expect_dtypes(listed)
            raise ValueError(
                f"gradients: expected shape {self.arrays[i].shape} for {self.names[i]!r}, got {listed[i].shape}"
            )
        return held

    cdef object _expect_dtypes(self, list gradients):
        for name, w, g in zip(self.names, self.arrays, gradients, strict=True):
            if g.dtype != w.dtype:
                raise TypeError(f"gradients: expected {w.dtype} for {name!r}, got {g.dtype}")
