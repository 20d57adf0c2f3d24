"""The pages of an embedded database's file as a disk has them: each with a checksum in its last eight bytes, which is
CRC-64/NVME of the bytes before it, mixed with the number of the page."""

import sqlite3


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc_table()
ONES = (1 << 64) - 1


def checksum(content, number):
    crc = ONES
    for byte in content:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return (crc ^ ONES ^ number).to_bytes(8, "big")


def page_size(content):
    size = int.from_bytes(content[16:18], "big")
    return 65536 if size == 1 else size


def damaged(content):
    """The numbers of pages whose checksum does not fit."""
    size = page_size(content)
    pages = [(at // size + 1, content[at : at + size]) for at in range(0, len(content), size)]
    return [number for number, page in pages if any(page) and checksum(page[:-8], number) != page[-8:]]


def seal(path):
    """Puts right checksums into a file that nobody has open: as if Wharf itself had written what is in it."""
    content = bytearray(path.read_bytes())
    if content[20] != 8:
        return
    size = page_size(content)
    for number in damaged(content):
        end = number * size
        content[end - 8 : end] = checksum(content[end - size : end - 8], number)
    path.write_bytes(content)


def fold(path):
    """Folds the log of a database that nobody has open into its file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
