"""A task that speaks gRPC by HTTP/2 without TLS: ADDRESS PORT [STREAMS of a connection]. Messages are bytes, without a schema.

On stdin, `stop` ends it as servers are ended: what is under way goes on for ten seconds, and nothing new is taken.
"""

import sys
import threading
import time
from concurrent import futures

import grpc

cancelled = []


def noted(context, name):
    """Keeps the name if the call ends before it was answered."""
    over = threading.Event()

    def ended():
        if not over.is_set():
            cancelled.append(name)

    context.add_callback(ended)
    return over


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    if "x-ask" in metadata:
        context.send_initial_metadata((("x-told", metadata["x-ask"]), ("x-told-bin", metadata["x-ask-bin"])))
    context.set_trailing_metadata((("x-last", "the end"), ("x-last-bin", b"\x00\xff")))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "zażółć, 100 % \n of it")
    if request == b"raise":
        raise RuntimeError("on purpose")
    if request == b"cancelled?":
        return b",".join(cancelled)
    if request == b"time?":
        return str(context.time_remaining()).encode()
    if request.startswith(b"wait "):
        over = noted(context, request.removeprefix(b"wait "))
        while context.is_active():
            time.sleep(0.02)
        return b"late"
    return request


def client_stream(requests, context):
    if ("x-refuse", "yes") in context.invocation_metadata():
        next(requests)
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "enough")
    return b"".join(requests)


def server_stream(request, context):
    count, between, size = request.split()
    over = noted(context, b"stream")
    for number in range(int(count)):
        yield str(number).encode().ljust(int(size), b".")
        time.sleep(float(between))
    over.set()


def both(requests, context):
    if ("x-quiet", "yes") in context.invocation_metadata():
        # Nothing but the head, until all is here.
        context.send_initial_metadata((("x-told", "yes"),))
        yield b"".join(requests)
        return
    for request in requests:
        if request.startswith(b"tell "):
            yield from server_stream(request.removeprefix(b"tell "), context)
        else:
            yield b"<" + request + b">"


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Both": grpc.stream_stream_rpc_method_handler(both),
}


def main():
    # More than one server on an address would share its connections.
    options = [("grpc.so_reuseport", 0)]
    options += [("grpc.max_concurrent_streams", int(most)) for most in sys.argv[3:]]
    server = grpc.server(futures.ThreadPoolExecutor(32), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", METHODS),))
    if server.add_insecure_port(f"{sys.argv[1]}:{sys.argv[2]}") == 0:
        sys.exit("no port")
    server.start()
    print("ready", flush=True)
    if sys.stdin.readline().strip() == "stop":
        server.stop(10).wait()
        print("stopped", flush=True)


main()
