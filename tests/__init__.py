"""The tests, in a folder for each subject.

Most folders have the name of what they test: a package of `refkan`, the benchmarks of the validation. The others:

bases : knots, spaces, B-splines, ReLU powers and the change of basis
networks : networks, architectures, node maps, conversion, archives
refinement : networks on finer knots, `refkan/nesting.py`
package : what concerns `refkan` as a whole: imports, arguments, memory, optional packages, checkpoints
claims : the files of claims of the validation, every subject
validation : how the validation runs, records and reports
shared : what the tests of several subjects use
"""
