#!/usr/bin/env python3
"""sg-agent.py HOST PORT DEVICE: sends the commands that come over TCP, one JSON object a line, through SG_IO to DEVICE.

{"id", "cdb", "in": bytes of room, "out": data} becomes {"id", "status", "sense", "data", "resid", "host"}; bytes are in hex.
"""
import ctypes
import fcntl
import json
import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

SG_IO = 0x2285
NONE, TO_DEVICE, FROM_DEVICE = -1, -2, -3
SENSE_BYTES = 96
TIMEOUT_MS = 60000
AT_ONCE = 32


class Header(ctypes.Structure):
    """struct sg_io_hdr of <scsi/sg.h>."""

    _fields_ = [
        ("interface_id", ctypes.c_int), ("direction", ctypes.c_int), ("cmd_len", ctypes.c_ubyte), ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort), ("length", ctypes.c_uint), ("data", ctypes.c_void_p), ("cmd", ctypes.c_void_p), ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint), ("flags", ctypes.c_uint), ("pack_id", ctypes.c_int), ("usr_ptr", ctypes.c_void_p), ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte), ("msg_status", ctypes.c_ubyte), ("sense_written", ctypes.c_ubyte), ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort), ("resid", ctypes.c_int), ("duration", ctypes.c_uint), ("info", ctypes.c_uint),
    ]


def send(fd, request):
    cdb = bytes.fromhex(request["cdb"])
    out = bytes.fromhex(request["out"])
    length = len(out) or request["in"]
    data = ctypes.create_string_buffer(out, length) if out else ctypes.create_string_buffer(max(length, 1))
    command = ctypes.create_string_buffer(cdb, len(cdb))
    sense = ctypes.create_string_buffer(SENSE_BYTES)
    header = Header(interface_id=ord("S"), direction=TO_DEVICE if out else FROM_DEVICE if length else NONE, cmd_len=len(cdb), mx_sb_len=SENSE_BYTES,
                    length=length, data=ctypes.addressof(data), cmd=ctypes.addressof(command), sense=ctypes.addressof(sense), timeout=TIMEOUT_MS)
    fcntl.ioctl(fd, SG_IO, header)
    got = b"" if out else data.raw[:length - header.resid]
    return {"id": request["id"], "status": header.status, "sense": sense.raw[:header.sense_written].hex(), "data": got.hex(),
            "resid": header.resid, "host": header.host_status}


def main(host, port, device):
    fd = os.open(device, os.O_RDWR)
    peer = socket.create_connection((host, int(port)))
    lock = threading.Lock()

    def answer(line):
        try:
            reply = send(fd, json.loads(line))
        except OSError as error:
            reply = {"id": json.loads(line)["id"], "error": str(error)}
        with lock:
            peer.sendall(json.dumps(reply).encode() + b"\n")

    with ThreadPoolExecutor(AT_ONCE) as pool, peer.makefile("r") as lines:
        for line in lines:
            pool.submit(answer, line)


main(*sys.argv[1:])
