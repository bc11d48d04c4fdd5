"""A program that calls the library from handlers of signals and while the interpreter exits.

    python -m tests.kernels.threads_interrupted

Prints "the same bits" for each kind of call that got them: from the handler of a timer, at every step, and at exit in
three ways. A hang ends with the stacks of all threads.
"""

import atexit
import faulthandler
import os
import signal
import sys
import threading
import time
import types

import numpy as np

import refkan as rk
from refkan.kernels import launch, recycled_memory, workers

LONGEST = 120
"""Seconds until a hang is taken to be one."""


def operation(size):
    """A sweep of a network in two threads; with many samples also in memory that is used again."""
    x = np.random.default_rng(0).uniform(size=(size, 2))
    net, theta = rk.kan([2, 5, 1], order=4, intervals=8).initialize(np.random.default_rng(1), x)
    return lambda: [net(theta, x), *net.vjp(theta, x)[1](np.ones((x.shape[0], 1)))]


def bits(run):
    return [array.tobytes() for array in run()]


def judge(how, wrong, write=os.write):
    """Say so, also where modules and their streams are taken down already."""
    write(1, f"{how}: {f'{wrong} wrong' if wrong else 'the same bits'}\n".encode())


def at_exit(run, expected):
    """At exit, in a thread that outlives the main one, and in an object of a module that is taken down."""

    def compare(how):
        judge(how, bits(run) != expected)

    def late():
        threading.main_thread().join()
        compare("after the main thread")

    class Last:
        def __del__(self, compare=compare):
            compare("in a module that is taken down")

    threading.Thread(target=late).start()
    atexit.register(compare, "at exit")
    sys.modules["taken_down"] = types.ModuleType("taken_down")
    sys.modules["taken_down"].last = Last()


def timer(run, expected, seconds=1.0):
    """A handler that interrupts the main thread again and again, wherever it is."""
    wrong, calls = [], [0]

    def handler(number, frame):
        calls[0] += 1
        wrong.extend([True] * (bits(run) != expected))
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 1e-3))  # by then the interrupted code goes on

    rng = np.random.default_rng(0)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wrong.extend([True] * (bits(run) != expected))
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert calls[0] > 10
    judge("timer", len(wrong))


def every_step(run, expected):
    """A call between any two steps of the interpreter in the modules that have something to hold."""
    files = {module.__file__ for module in (launch, workers, recycled_memory)}
    wrong, seen = [], set()

    def step(frame, event, argument):
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and (place := (frame.f_code, frame.f_lasti)) not in seen:  # once at each place
            seen.add(place)
            wrong.extend([place] * (bits(run) != expected))
        return step

    workers._workers = workers.Workers()  # no threads yet: starting them is traced, too
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks here whether anybody wants single steps
    sys.settrace(step)
    try:
        wrong.extend([True] * (bits(run) != expected))
    finally:
        sys.settrace(None)
    assert len(seen) > 200
    judge("every step", len(wrong))


if __name__ == "__main__":
    launch.SERIAL_BELOW = 0
    ways = [(every_step, 10_000), (at_exit, 10_000)]
    if hasattr(signal, "setitimer"):
        ways.insert(0, (timer, 100))  # which is to go off between kernels
    for way, size in ways:
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        run = operation(size)
        launch.thread_count = lambda: 1
        expected = bits(run)
        launch.thread_count = lambda: 2
        way(run, expected)
