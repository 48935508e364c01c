"""Reads requests as h11 does.

On stdin messages, each after its length as four bytes, big end first; on stdout a line of JSON for each: the requests that
are in it, whether all of it was read, and the error.
"""

import json
import struct
import sys

import h11


def parse(data):
    requests, error = [], None
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    connection.receive_data(b"")
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                hosts = [value for name, value in event.headers if name == b"host"]
                requests.append({
                    "method": event.method.decode("latin-1"),
                    "target": event.target.decode("latin-1"),
                    "hosts": [host.decode("latin-1") for host in hosts],
                    "body": "",
                    "whole": False,
                })
            elif isinstance(event, h11.Data):
                requests[-1]["body"] += bytes(event.data).hex()
            elif isinstance(event, h11.EndOfMessage):
                requests[-1]["whole"] = True
                # As if it were answered.
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
                    connection.start_next_cycle()
                else:
                    # It wants to close: is there more?
                    if connection.trailing_data[0]:
                        error = "bytes after the request"
                    break
            else:
                break
    except h11.RemoteProtocolError as refusal:
        error = str(refusal)
    return {"requests": requests, "error": error}


def main():
    read = sys.stdin.buffer.read
    while True:
        length = read(4)
        if len(length) < 4:
            return
        data = read(struct.unpack(">I", length)[0])
        print(json.dumps(parse(data)), flush=True)


main()
