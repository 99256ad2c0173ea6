"""Message classes from serialized descriptors, in a pool that nobody else sees.

protoc's own Python code registers a schema in the process-wide pool and refuses to run
on a protobuf older than the protoc that wrote it. Both have broken users of Caffe's
schema for years: two libraries with a ``caffe.proto`` could not live in one process,
and every upgrade of protobuf asked for regenerated code. Descriptors in a private pool
do neither: they load on any protobuf from 4.22 on and cannot clash with anything.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper


def build(schema: bytes, module: str) -> dict[str, object]:
    """Every message class, enum and top-level enum value of a schema, by name.

    Args:
        schema: one serialized FileDescriptorProto without imports.
        module: where the classes are importable from, so that messages pickle.
    """
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(schema)
    name = descriptor_pb2.FileDescriptorProto.FromString(schema).name
    file = pool.FindFileByName(name)
    found: dict[str, object] = {}
    for message in file.message_types_by_name.values():
        found[message.name] = message_factory.GetMessageClass(message)
        message_factory.GetMessageClass(message).__module__ = module
    for enum in file.enum_types_by_name.values():
        found[enum.name] = enum_type_wrapper.EnumTypeWrapper(enum)
        found.update((value.name, value.number) for value in enum.values)
    return found
