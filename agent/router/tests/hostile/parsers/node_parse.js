// Reads requests as a server of Node does. The same protocol as h11_parse.py.

"use strict";

const http = require("node:http");
const { Duplex } = require("node:stream");

let found = [];
let error = null;

function seen(request) {
  const entry = { method: request.method, target: request.url, hosts: [], body: "", whole: false };
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    if (request.rawHeaders[at].toLowerCase() === "host") {
      entry.hosts.push(request.rawHeaders[at + 1]);
    }
  }
  found.push(entry);
  return entry;
}

const server = http.createServer({ maxHeaderSize: 1 << 20 });
server.maxHeadersCount = 0;
server.on("request", (request, response) => {
  const entry = seen(request);
  request.on("data", (data) => { entry.body += data.toString("hex"); });
  request.on("end", () => { entry.whole = request.complete; response.end(); });
  request.on("error", () => {});
});
server.on("upgrade", (request, socket, head) => {
  seen(request).whole = true;
  if (head.length > 0) error = "bytes after the request";
  socket.destroy();
});
server.on("connect", (request, socket) => { seen(request).whole = true; socket.destroy(); });
server.on("checkContinue", (request, response) => server.emit("request", request, response));
server.on("clientError", (refusal, socket) => {
  error = refusal.code || String(refusal);
  socket.destroy();
});

function parse(data, done) {
  found = [];
  error = null;
  const socket = new Duplex({
    read() {},
    write(chunk, encoding, next) { next(); },
  });
  socket.setTimeout = socket.setNoDelay = socket.setKeepAlive = socket.ref = socket.unref = () => socket;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    setImmediate(() => { socket.destroy(); done({ requests: found, error }); });
  };
  socket.on("close", end);
  socket.on("end", () => setImmediate(() => setImmediate(end)));
  server.emit("connection", socket);
  socket.push(data);
  socket.push(null);
}

let buffer = Buffer.alloc(0);
let busy = false;

function next() {
  if (busy || buffer.length < 4) return;
  const length = buffer.readUInt32BE(0);
  if (buffer.length < 4 + length) return;
  const data = buffer.subarray(4, 4 + length);
  buffer = buffer.subarray(4 + length);
  busy = true;
  parse(data, (answer) => {
    process.stdout.write(JSON.stringify(answer) + "\n");
    busy = false;
    next();
  });
}

process.stdin.on("data", (data) => { buffer = Buffer.concat([buffer, data]); next(); });
process.stdin.on("end", () => process.exit(0));
