"""The smallest ISO 9660 image that a BIOS would start."""
import struct

SECTOR = 2048


def both(number):
    return struct.pack("<I", number) + struct.pack(">I", number)


def record(name):
    """The root directory's record of itself (0) or its parent, itself (1) (ECMA-119, 9.1)."""
    return bytes([34, 0]) + both(21) + both(SECTOR) + bytes([100, 1, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1, 1, name])


def smallest():
    """Descriptors (ECMA-119, 8), path tables and an empty root directory, El Torito's catalog and an endless loop."""
    image = bytearray(24 * SECTOR)
    for sector, offset, data in [
        (16, 0, b"\x01CD001\x01\0" + b" " * 64),
        (16, 80, both(24)),
        (16, 120, b"\1\0\0\1" * 2 + b"\0\x08\x08\0" + both(10)),
        (16, 140, struct.pack("<II", 19, 0) + struct.pack(">II", 20, 0) + record(0) + b" " * 623),
        (16, 813, (b"0" * 16 + b"\0") * 4 + b"\1"),
        (17, 0, b"\0CD001\x01EL TORITO SPECIFICATION"),
        (17, 71, b"\x16"),
        (18, 0, b"\xffCD001\x01"),
        (19, 0, b"\1\0\x15\0\0\0\1\0"),
        (20, 0, b"\1\0\0\0\0\x15\0\1"),
        (21, 0, record(0) + record(1)),
        (22, 0, b"\1"),
        (22, 28, b"\xaa\x55\x55\xaa\x88\0\0\0\0\0\4\0\x17"),
        (23, 0, b"\xeb\xfe"),
    ]:
        place = sector * SECTOR + offset
        image[place:place + len(data)] = data
    return bytes(image)
