"""Home of :mod:`~netspec.pycaffe.proto.caffe_pb2`."""
