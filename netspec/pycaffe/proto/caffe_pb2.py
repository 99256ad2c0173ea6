"""Caffe's messages, under the name that programs import them by.

They live in a descriptor pool of their own, so that no other library's ``caffe.proto``
is in their way.
"""

from netspec.proto import *  # noqa: F403
