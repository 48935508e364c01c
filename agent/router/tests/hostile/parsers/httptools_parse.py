"""Reads requests as httptools does: llhttp, and before version 0.2 its predecessor http-parser.

The same protocol as h11_parse.py.
"""

import json
import struct
import sys

import httptools


class Protocol:
    def __init__(self):
        self.requests = []
        self.parser = None

    def on_message_begin(self):
        self.requests.append(
            {"method": "", "target": "", "hosts": [], "body": "", "whole": False}
        )

    def on_url(self, url):
        self.requests[-1]["target"] += url.decode("latin-1")

    def on_header(self, name, value):
        if name.lower() == b"host":
            self.requests[-1]["hosts"].append(value.decode("latin-1"))

    def on_headers_complete(self):
        self.requests[-1]["method"] = self.parser.get_method().decode("latin-1")

    def on_body(self, body):
        self.requests[-1]["body"] += body.hex()

    def on_message_complete(self):
        self.requests[-1]["whole"] = True


def parse(data):
    protocol = Protocol()
    protocol.parser = httptools.HttpRequestParser(protocol)
    error = None
    try:
        protocol.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as refusal:
        error = repr(refusal)
    return {"requests": protocol.requests, "error": error}


def main():
    read = sys.stdin.buffer.read
    while True:
        length = read(4)
        if len(length) < 4:
            return
        data = read(struct.unpack(">I", length)[0])
        print(json.dumps(parse(data)), flush=True)


main()
