"""The tests, in a folder for each subject.

Most folders have the name of what they test: a package of `refkan`, or `validation`, how that runs and reports. The
others:

broken_layers : layers with a defect each, which the judge of backends is to name
claims : the claims of the validation, every subject, and how they are run and reported
package : what concerns `refkan` as a whole: imports, arguments, memory, optional packages, checkpoints
shared : what the tests of several subjects use
"""
