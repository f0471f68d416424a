"""Protobuf messages from a table of their fields: few and fixed, so nothing is generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MAX_BYTES = 65_536
"""What any message may have; the library reads whatever it is given."""

_PACKAGE = "firstboot.thingsboard"
_REPEATED = "repeated "
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL, "int64": _Field.TYPE_INT64}


def message_classes(
    messages: Mapping[str, Sequence[tuple[str, str]]], enums: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return a class for each message, by its name.

    A field is its name and its type, as in a schema (``string``, ``repeated Other``), and stands at the index that
    is its number less one; so does each value of an enum at its number.
    """
    file = descriptor_pb2.FileDescriptorProto(name="thingsboard.proto", package=_PACKAGE, syntax="proto3")
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, type_) in enumerate(fields, start=1):
            kind = type_.removeprefix(_REPEATED)
            label = _Field.LABEL_OPTIONAL if kind == type_ else _Field.LABEL_REPEATED
            added = message.field.add(name=field, number=number, label=label)
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_ENUM if kind in enums else _Field.TYPE_MESSAGE
                added.type_name = f".{_PACKAGE}.{kind}"
    # A pool of our own: a plugin may well bring ThingsBoard's real definitions into the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in messages
    }
