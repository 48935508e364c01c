// A task that speaks HTTP/2 without TLS: ADDRESS PORT. It answers with the body that it got, says after it which fields came
// after that, and knows a path without an end.
"use strict";
const http2 = require("node:http2");
const [address, port] = process.argv.slice(2);
let open = 0;

const server = http2.createServer();
server.on("stream", (stream, fields) => {
  stream.on("error", () => {});
  switch (fields[":path"]) {
    case "/endless": {
      open++;
      stream.respond({ ":status": 200 });
      const timer = setInterval(() => stream.write("more"), 10);
      stream.on("close", () => {
        open--;
        clearInterval(timer);
      });
      return;
    }
    case "/open":
      stream.respond({ ":status": 200 });
      return stream.end(String(open));
    default: {
      let body = "", got = {};
      stream.on("data", (text) => (body += text));
      stream.on("trailers", (fields) => (got = fields));
      stream.on("end", () => {
        stream.respond({ ":status": 200 }, { waitForTrailers: true });
        stream.on("wantTrailers", () =>
          stream.sendTrailers({ "grpc-status": "0", "x-got": got["x-checksum"] ?? "none" }));
        stream.end(body);
      });
    }
  }
});
server.listen(Number(port), address, () => console.log("ready"));
// Who started it is gone.
process.stdin.on("end", () => process.exit(0)).resume();
