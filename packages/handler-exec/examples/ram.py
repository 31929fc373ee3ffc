#!/usr/bin/env python3
"""A disk in memory for `exec`: the whole of a handler in Python. docs/exec-protocol.md describes the frames."""
import errno
import struct
import sys

REQUEST = struct.Struct('>IIHHIQQ')  # magic, id, op, flags, payload, offset, length
ANSWER = struct.Struct('>IIII')      # magic, id, error, payload
HELLO = struct.Struct('>HHIQI')      # version, inflight, block size, size, longest payload
TCMQ, TCMA = 0x54434D51, 0x54434D41
FLUSH, UNMAP, WRITE_SAME, UNMAP_ZEROES = 1, 4, 8, 64
source, sink = sys.stdin.buffer, sys.stdout.buffer
memory = bytearray()


def hello(payload, offset, length):
    version, inflight, _block_size, size, longest = HELLO.unpack_from(payload)
    if size == 0:
        raise OSError(errno.EINVAL, 'give the LUN a size')
    memory.extend(bytes(size))
    return HELLO.pack(min(version, 1), inflight, FLUSH | UNMAP | WRITE_SAME | UNMAP_ZEROES, size, longest)


def read(payload, offset, length):
    return memory[offset:offset + length]


def write(payload, offset, length):
    memory[offset:offset + length] = payload


def unmap(payload, offset, length):
    memory[offset:offset + length] = bytes(length)


def write_same(payload, offset, length):
    memory[offset:offset + length] = payload * (length // len(payload))


def nothing(payload, offset, length):
    """FLUSH, CLOSE: memory is as durable as it gets."""


operations = {0: hello, 1: read, 2: write, 3: nothing, 4: unmap, 5: write_same, 7: nothing}

while True:
    header = source.read(REQUEST.size)
    if len(header) < REQUEST.size:
        break  # the host has gone
    magic, ident, op, _flags, size, offset, length = REQUEST.unpack(header)
    payload = source.read(size)
    try:
        error, answer = 0, operations[op](payload, offset, length) or b''
    except OSError as e:
        error, answer = e.errno or errno.EIO, str(e).encode()[:1024]
    sink.write(ANSWER.pack(TCMA, ident, error, len(answer)))
    sink.write(answer)
    sink.flush()
