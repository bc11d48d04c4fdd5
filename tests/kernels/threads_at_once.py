"""A program of several Python threads that use the library at once: prints which results are not those of one thread.

    python -m tests.kernels.threads_at_once [pair] [nested] [mixed]

A pair of threads repeats one operation each; of the others, all go through the same operations, each from another one
on: with threads of their own (nested), and threads alone while others fork (mixed). A hang ends with the stacks of all
threads.
"""

import faulthandler
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

import refkan as rk
from refkan.kernels import launch

LONGEST = 120
"""Seconds until a hang is taken to be one."""
THREADS, ROUNDS, FORKS, PAIRS = 4, 2, 3, 25
MANY, MANY_OF_PAIR = 3_000, 20_000
"""Samples, in blocks for several threads."""


def results_of(net, theta, x):
    """Operations by name: each returns arrays, at fixed arguments."""
    y = np.sin(np.arange(x.shape[0] * net.widths[-1], dtype=float)).reshape(x.shape[0], -1)
    direction = np.cos(np.arange(theta.size, dtype=float))
    problem, few = rk.LeastSquares(net, x, y), rk.LeastSquares(net, x[:100], y[:100])
    return {
        "value": lambda: [net(theta, x)],
        "vjp": lambda: net.vjp(theta, x)[1](y),
        "jvp": lambda: [net.jvp(theta, x, direction)],
        "jacobian": lambda: [net.jacobian(theta, x[:2000])],
        "jet": lambda: [net.jet(theta, x[:4000], np.eye(x.shape[1]), orders=(2, 1)).second],
        "gauss_newton": lambda: [rk.hessians.gauss_newton(net, theta, x)],
        "hessian": lambda: [rk.hessians.hessian(net, theta, x[:2000], y[:2000])],
        "value_and_gradient": lambda: problem.value_and_gradient(theta),
        "spectrum": lambda: [rk.spectrum(few, theta).values],
    }


def operations(many):
    """Every operation on few samples, and on so many that kernels go to several threads."""
    rng = np.random.default_rng(0)
    found = {}
    networks = {
        "few outputs": rk.kan([2, 5, 1], order=4, intervals=8),
        "many outputs": rk.kan([2, 12, 1], order=4, intervals=4),
        "ReLU powers": rk.kan([2, 4, 1], order=4, intervals=5, basis="relu"),
    }
    for kind, net in networks.items():
        for size in (50, many):
            x = rng.uniform(size=(size, net.widths[0]))
            net, theta = net.initialize(np.random.default_rng(1), x)
            found |= {(kind, size, name): run for name, run in results_of(net, theta, x).items()}
    return found


def bits(run):
    return [np.asarray(array).tobytes() for array in run()]


class Comparison:
    """All operations, or those of the names, with what one thread gives."""

    def __init__(self, many, names=None):
        self.operations = [(name, run) for name, run in operations(many).items() if names is None or name in names]
        launch.thread_count = lambda: 1
        self.expected = {name: bits(run) for name, run in self.operations}
        launch.thread_count = lambda: 2
        launch.SERIAL_BELOW = 6_000  # or samples would have to be so many that all takes minutes

    def wrong(self, start, rounds=1):
        """Names of the operations, from one on and round about, whose bits are others."""
        step = start * len(self.operations) // THREADS
        turned = self.operations[step:] + self.operations[:step]
        return [name for name, run in turned * rounds if bits(run) != self.expected[name]]

    def wrong_in_threads(self, *, nested=False):
        """The same in several threads at once; `nested`, each operation in one of several blocks of its thread."""

        def work(start):
            if not nested:
                return self.wrong(start, ROUNDS)
            results = launch.run_blocks(lambda k: self.wrong((start + k) % THREADS), ROUNDS)
            return [name for names in results for name in names]

        with ThreadPoolExecutor(THREADS) as pool:
            return [name for names in pool.map(work, range(THREADS)) for name in names]


PAIR = [("few outputs", MANY_OF_PAIR, name) for name in ("gauss_newton", "jvp")]


def pair(comparison):
    """Whole chains of kernels in one thread, and in another the tangents that hung with them."""

    def work(name):
        run = dict(comparison.operations)[name]
        return [name for _ in range(PAIRS) if bits(run) != comparison.expected[name]]

    with ThreadPoolExecutor(2) as pool:
        return [name for wrong in pool.map(work, PAIR) for name in wrong]


def forked(comparison):
    """Fork while threads are at work; the children use threads of their own."""
    found = []
    others = threading.Thread(target=lambda: found.extend(comparison.wrong_in_threads()))
    others.start()
    for _ in range(FORKS):
        child = os.fork()
        if child == 0:
            signal.alarm(LONGEST)  # which ends it; the watch of `faulthandler` does not survive a fork
            os._exit(1 if comparison.wrong(0) else 0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            found.append("in a child")
    others.join()
    return found


RUNS = {
    "pair": lambda: pair(Comparison(MANY_OF_PAIR, PAIR)),
    "nested": lambda: of_all_operations().wrong_in_threads(nested=True),
    "mixed": lambda: (forked if hasattr(os, "fork") else Comparison.wrong_in_threads)(of_all_operations()),
}


@cache
def of_all_operations():
    return Comparison(MANY)


if __name__ == "__main__":
    for how in sys.argv[1:] or RUNS:
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        print(how, RUNS[how](), flush=True)
