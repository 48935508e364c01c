"""A client that speaks gRPC: PORT, CERTIFICATE or -, CASE."""

import queue
import sys
import threading
import time

import grpc
from grpc import StatusCode

PORT, CERTIFICATE, CASE = sys.argv[1], sys.argv[2], sys.argv[3]


def channel():
    options = [("grpc.default_authority", "a.test"), ("grpc.enable_http_proxy", 0)]
    # A channel that was refused tries again soon.
    options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
    if CERTIFICATE == "-":
        return grpc.insecure_channel(f"127.0.0.1:{PORT}", options)
    with open(CERTIFICATE, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options.append(("grpc.ssl_target_name_override", "a.test"))
    return grpc.secure_channel(f"127.0.0.1:{PORT}", credentials, options)


CHANNEL = channel()
unary = CHANNEL.unary_unary("/test.Calls/Unary")
client_stream = CHANNEL.stream_unary("/test.Calls/ClientStream")
server_stream = CHANNEL.unary_stream("/test.Calls/ServerStream")
both = CHANNEL.stream_stream("/test.Calls/Both")


def failure(call):
    """The error of a call that has to fail."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    sys.exit("it did not fail")


def until(holds):
    for _ in range(100):
        if holds():
            return
        time.sleep(0.05)
    sys.exit("it never held")


def kinds():
    assert unary(b"hello", timeout=10) == b"hello"
    assert unary(b"", timeout=10) == b""
    parts = [b"one", b"", b"two", b"x" * 100_000]
    assert client_stream(iter(parts), timeout=10) == b"".join(parts)
    assert client_stream(iter([]), timeout=10) == b""
    numbers = list(server_stream(b"100 0 1", timeout=10))
    assert numbers == [str(number).encode() for number in range(100)], numbers
    assert list(server_stream(b"0 0 1", timeout=10)) == []
    # In turn: the next request is sent when the answer to the last one is here.
    asked = queue.Queue()
    answers = both(iter(asked.get, None), timeout=10)
    for number in range(20):
        asked.put(str(number).encode())
        assert next(answers) == b"<%d>" % number
    asked.put(None)
    assert list(answers) == [] and answers.code() == StatusCode.OK
    # And many at a time on the one connection.
    calls = [unary.future(b"%d" % number, timeout=20) for number in range(300)]
    assert [call.result() for call in calls] == [b"%d" % number for number in range(300)]


def one_by_one():
    """The messages of a stream are not kept back."""
    came = []
    for _ in server_stream(b"5 0.3 1", timeout=10):
        came.append(time.monotonic())
    between = [after - before for before, after in zip(came, came[1:])]
    assert len(between) == 4 and all(0.1 < seconds < 1 for seconds in between), between


def one_side():
    """One side says nothing for longer than a body may stand still, and the other one does all the while."""
    asked = queue.Queue()
    answers = both(iter(asked.get, None), timeout=20)
    asked.put(b"tell 10 0.4 1")
    told = [next(answers) for _ in range(10)]
    assert told == [b"%d" % number for number in range(10)], told
    asked.put(b"again")
    assert next(answers) == b"<again>"
    asked.put(None)
    assert list(answers) == []

    def slowly():
        for number in range(10):
            yield b"%d" % number
            time.sleep(0.4)

    answers = both(slowly(), metadata=(("x-quiet", "yes"),), timeout=20)
    assert dict(answers.initial_metadata())["x-told"] == "yes"
    assert list(answers) == [b"0123456789"]


def many_streams():
    """The task takes two at a time of a connection, and 32 of all; these stay open."""
    streams = []
    for number in range(24):
        asked = queue.Queue()
        asked.put(b"%d" % number)
        streams.append((asked, both(iter(asked.get, None), timeout=20)))
        # Twelve at once, when nothing is known of the task yet; then one after the other.
        if number >= 12:
            assert next(streams[number][1]) == b"<%d>" % number
    for number in range(12):
        assert next(streams[number][1]) == b"<%d>" % number
    assert unary(b"hello", timeout=10) == b"hello"
    for asked, answers in streams:
        asked.put(None)
        assert list(answers) == []


def no_side():
    """Both say nothing for too long."""
    answers = both(iter(queue.Queue().get, None), metadata=(("x-quiet", "yes"),), timeout=20)
    begin = time.monotonic()
    failure(lambda: list(answers))
    assert 0.9 < time.monotonic() - begin < 6


def statuses():
    error = failure(lambda: unary(b"fail", timeout=10))
    assert error.code() == StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "zażółć, 100 % \n of it", error.details()
    assert dict(error.trailing_metadata())["x-last"] == "the end"
    error = failure(lambda: unary(b"raise", timeout=10))
    assert error.code() == StatusCode.UNKNOWN and "on purpose" in error.details(), error
    error = failure(lambda: CHANNEL.unary_unary("/test.Calls/None")(b"", timeout=10))
    assert error.code() == StatusCode.UNIMPLEMENTED, error


def refused():
    """The task answers while the client still sends."""
    for size, count in (10, 1000), (1 << 20, 50):
        for _ in range(5):
            parts = (b"x" * size for _ in range(count))
            error = failure(lambda: client_stream(parts, metadata=(("x-refuse", "yes"),), timeout=10))
            assert (error.code(), error.details()) == (StatusCode.PERMISSION_DENIED, "enough"), error
    assert unary(b"hello", timeout=10) == b"hello"


def of_the_router():
    """Answers of the router's own are read as gRPC has it (http-grpc-status-mapping.md)."""
    for method, code in [
        ("/closed/A", StatusCode.PERMISSION_DENIED),
        ("/door/A", StatusCode.UNAUTHENTICATED),
        ("/none/A", StatusCode.UNIMPLEMENTED),
    ]:
        for kind in CHANNEL.unary_unary, CHANNEL.unary_stream:
            error = failure(lambda: list(kind(method)(b"hello", timeout=10)))
            assert error.code() == code, (method, error)
        error = failure(lambda: CHANNEL.stream_unary(method)(iter([b"x" * 100_000] * 20), timeout=10))
        assert error.code() == code, (method, error)


def metadata():
    asked = (("x-ask", "what"), ("x-ask-bin", bytes(range(256))))
    answer, call = unary.with_call(b"hello", metadata=asked, timeout=10)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert first["x-told"] == "what" and first["x-told-bin"] == bytes(range(256)), first
    assert last["x-last"] == "the end" and last["x-last-bin"] == b"\x00\xff", last
    assert call.code() == StatusCode.OK


def ends():
    """A call whose time is over, or that its client gives up, ends at the task, too."""
    left = float(unary(b"time?", timeout=7))
    assert 5 < left <= 7, left
    begin = time.monotonic()
    error = failure(lambda: unary(b"wait for a deadline", timeout=0.4))
    assert error.code() == StatusCode.DEADLINE_EXCEEDED, error
    assert time.monotonic() - begin < 2
    call = unary.future(b"wait for a word", timeout=20)
    time.sleep(0.2)
    call.cancel()
    answers = server_stream(b"1000 0.05 1000", timeout=20)
    assert next(answers).startswith(b"0.")
    answers.cancel()
    expected = {b"for a deadline", b"for a word", b"stream"}
    until(lambda: set(unary(b"cancelled?", timeout=5).split(b",")) == expected)
    assert unary(b"hello", timeout=10) == b"hello"


def large():
    most = 4 << 20
    message = bytes(range(256)) * (most // 256)
    assert unary(message, timeout=20) == message
    error = failure(lambda: unary(message + b"x", timeout=20))
    assert error.code() == StatusCode.RESOURCE_EXHAUSTED, error
    # More than any window: a stream of 64 MiB, and one that its client takes slowly.
    sizes = [len(part) for part in server_stream(b"64 0 1048576", timeout=30)]
    assert sizes == [1 << 20] * 64, sizes
    for number, part in enumerate(server_stream(b"16 0 1048576", timeout=30)):
        assert part.startswith(b"%d." % number) and len(part) == 1 << 20
        time.sleep(0.02)


def comes_and_goes():
    """The task ends, and another one takes its place, as whoever runs this script does."""
    assert unary(b"hello", timeout=10) == b"hello"
    print("served", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    error = failure(lambda: unary(b"hello", timeout=10))
    assert error.code() == StatusCode.UNAVAILABLE and time.monotonic() - begin < 5, error
    print("unavailable", flush=True)
    sys.stdin.readline()
    assert unary(b"hello", timeout=10, wait_for_ready=True) == b"hello"


def goes_on():
    """Something ends between this client and the task, or at the task: no call fails for it."""
    go_on(0)


def goes_on_but_for_cancelled():
    """A task ends unannounced: grpcio's server cancels the calls that it has received and not begun, one of a caller."""
    go_on(1)


def go_on(cancelled):
    answers = server_stream(b"20 0.1 1", timeout=20)
    assert next(answers) == b"0"
    over, failed = threading.Event(), []

    def calls():
        may_be_cancelled = cancelled
        while not over.is_set():
            begin = time.monotonic()
            try:
                assert unary(b"hello", timeout=10) == b"hello"
            except grpc.RpcError as error:
                if error.code() == StatusCode.CANCELLED and may_be_cancelled:
                    may_be_cancelled -= 1
                    continue
                failed.append((time.monotonic() - begin, error))
                return

    callers = [threading.Thread(target=calls) for _ in range(4)]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    print("under way", flush=True)
    rest = [int(number) for number in answers]
    assert rest == list(range(1, 20)), rest
    assert answers.code() == StatusCode.OK
    over.set()
    for caller in callers:
        caller.join()
    assert not failed, failed
    assert unary(b"hello", timeout=10) == b"hello"
    print("over", flush=True)
    # Until the one that ends has ended.
    sys.stdin.readline()
    assert unary(b"hello", timeout=10) == b"hello"


globals()[CASE]()
CHANNEL.close()
