"""The messages of prototxt, caffemodel, solverstate and Datum files.

Fields, numbers and defaults are Caffe's; protos/netspec.proto says what each means.
"""

from netspec.proto.netspec_pb2 import *  # noqa: F403
