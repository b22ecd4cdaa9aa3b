"""Interop cases of the gRPC project (grpc/grpc, doc/interop-test-descriptions.md) with grpcio, without generated code."""

import sys
import threading

import grpc

LARGE_REQUEST = 271828
LARGE_RESPONSE = 314159
SIZES = [31415, 9, 2653, 58979]
PAYLOADS = [27182, 8, 1828, 45904]


def varint(number):
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def integer(field, number):
    return varint(field << 3) + varint(number)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def payload(size):
    return message(2, bytes(size))


def output_request(size, body):
    """StreamingOutputCallRequest with one response of `size`."""
    return message(2, integer(1, size)) + message(3, payload(body))


def response_with(size):
    """SimpleResponse and StreamingOutputCallResponse with a payload of `size`."""
    return message(1, payload(size)) if size else b""


class Stub:
    def __init__(self, channel):
        def call(kind, method, service="TestService"):
            return getattr(channel, kind)(f"/grpc.testing.{service}/{method}")

        self.empty = call("unary_unary", "EmptyCall")
        self.unary = call("unary_unary", "UnaryCall")
        self.input = call("stream_unary", "StreamingInputCall")
        self.output = call("unary_stream", "StreamingOutputCall")
        self.duplex = call("stream_stream", "FullDuplexCall")
        self.unimplemented_method = call("unary_unary", "UnimplementedCall")
        self.unimplemented_service = call("unary_unary", "UnimplementedCall", "UnimplementedService")


class Requests:
    """A request stream that the case drives."""

    def __init__(self):
        self.condition = threading.Condition()
        self.queue = []

    def send(self, request):
        with self.condition:
            self.queue.append(request)
            self.condition.notify()

    def end(self):
        self.send(None)

    def __iter__(self):
        return self

    def __next__(self):
        with self.condition:
            self.condition.wait_for(lambda: self.queue)
            request = self.queue.pop(0)
        if request is None:
            raise StopIteration
        return request


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"{str(actual)[:200]} instead of {str(expected)[:200]}")


def expect_status(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        expect(error.code(), code)
        if details is not None:
            expect(error.details(), details)
    else:
        raise AssertionError("the call succeeded")


def empty_unary(stub):
    expect(stub.empty(b""), b"")


def large_unary(stub):
    request = integer(2, LARGE_RESPONSE) + message(3, payload(LARGE_REQUEST))
    expect(stub.unary(request), response_with(LARGE_RESPONSE))


def client_streaming(stub):
    requests = iter([message(1, payload(size)) for size in PAYLOADS])
    expect(stub.input(requests), integer(1, sum(PAYLOADS)))


def server_streaming(stub):
    request = b"".join(message(2, integer(1, size)) for size in SIZES)
    expect(list(stub.output(request)), [response_with(size) for size in SIZES])


def ping_pong(stub):
    requests = Requests()
    responses = stub.duplex(requests)
    for size, body in zip(SIZES, PAYLOADS):
        requests.send(output_request(size, body))
        expect(next(responses), response_with(size))
    requests.end()
    expect(list(responses), [])


def empty_stream(stub):
    expect(list(stub.duplex(iter([]))), [])


def timeout_on_sleeping_server(stub):
    requests = Requests()
    requests.send(message(3, payload(27182)))
    expect_status(
        lambda: list(stub.duplex(requests, timeout=0.001)), grpc.StatusCode.DEADLINE_EXCEEDED
    )
    requests.end()


def cancel_after_begin(stub):
    requests = Requests()
    call = stub.input.future(requests)
    call.cancel()
    expect(call.cancelled(), True)
    expect(call.code(), grpc.StatusCode.CANCELLED)
    requests.end()


def cancel_after_first_response(stub):
    requests = Requests()
    responses = stub.duplex(requests)
    requests.send(output_request(31415, 27182))
    expect(next(responses), response_with(31415))
    responses.cancel()
    expect_status(lambda: next(responses), grpc.StatusCode.CANCELLED)
    requests.end()


def status_code_and_message(stub):
    status = message(7, integer(1, 2) + message(2, b"test status message"))
    expect_status(lambda: stub.unary(status), grpc.StatusCode.UNKNOWN, "test status message")
    expect_status(
        lambda: list(stub.duplex(iter([status]))), grpc.StatusCode.UNKNOWN, "test status message"
    )


def special_status_message(stub):
    text = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    status = message(7, integer(1, 2) + message(2, text.encode()))
    expect_status(lambda: stub.unary(status), grpc.StatusCode.UNKNOWN, text)


def custom_metadata(stub):
    sent = [
        ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
        ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"),
    ]
    request = integer(2, 314) + message(3, payload(271))
    _, call = stub.unary.with_call(request, metadata=sent)
    expect(dict(call.initial_metadata()).get(sent[0][0]), sent[0][1])
    expect(dict(call.trailing_metadata()).get(sent[1][0]), sent[1][1])


def unimplemented_method(stub):
    expect_status(lambda: stub.unimplemented_method(b""), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub):
    expect_status(lambda: stub.unimplemented_service(b""), grpc.StatusCode.UNIMPLEMENTED)


def main(case, port, ca_file=None):
    target = f"localhost:{port}"
    if ca_file is None:
        channel = grpc.insecure_channel(target)
    else:
        with open(ca_file, "rb") as file:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()))
    with channel:
        globals()[case](Stub(channel))


main(*sys.argv[1:])
