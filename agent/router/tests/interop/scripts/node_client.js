// A client: HTTP/2 as Node's http2 speaks it, and fetch. Arguments: PORT, CERTIFICATE or -, CASE.
"use strict";
const assert = require("node:assert");
const dns = require("node:dns");
const fs = require("node:fs");
const http2 = require("node:http2");

const [port, certificate, name] = process.argv.slice(2);
const scheme = certificate === "-" ? "http" : "https";
const origin = `${scheme}://a.test:${port}`;

// fetch has no option for it.
dns.lookup = (host, options, done) => {
  if (typeof options === "function") done = options;
  if (options.all) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};

function connect() {
  const options = { settings: { enablePush: false, initialWindowSize: 1 << 20 } };
  if (certificate !== "-") options.ca = fs.readFileSync(certificate);
  return http2.connect(origin, options);
}

// Asks on a session: head, body and fields after it.
function ask(session, fields, body, trailers) {
  return new Promise((answered, failed) => {
    const stream = session.request(fields, { endStream: body === undefined, waitForTrailers: !!trailers });
    const answer = { trailers: {}, body: "" };
    stream.setEncoding("utf8");
    stream.on("response", (head) => (answer.head = head));
    stream.on("trailers", (fields) => (answer.trailers = fields));
    stream.on("data", (text) => (answer.body += text));
    stream.on("end", () => answered(answer));
    stream.on("error", failed);
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    if (body !== undefined) stream.end(body);
  });
}

const cases = {
  async settings() {
    const session = connect();
    session.on("stream", () => assert.fail("it pushes"));
    await new Promise((done) => session.once("remoteSettings", done));
    assert.equal(session.alpnProtocol, scheme === "https" ? "h2" : "h2c");
    assert.equal(session.remoteSettings.enableConnectProtocol, true);
    assert.equal(session.remoteSettings.maxConcurrentStreams, 128);
    await new Promise((done, failed) => session.ping((error) => (error ? failed(error) : done())));
    const answers = await Promise.all([...Array(100).keys()].map((n) => ask(session, { ":path": `/${n}` })));
    answers.forEach((answer, n) => {
      assert.equal(answer.head[":status"], 200);
      assert.ok(answer.body.includes(`\nGET /${n} HTTP/1.1\n`), answer.body);
    });
    // Settings that change while streams are open.
    const big = "x".repeat(1 << 20);
    const asked = ask(session, { ":path": "/big", ":method": "POST" }, big);
    session.settings({ initialWindowSize: 1000 });
    assert.ok((await asked).body.endsWith(big));
    session.settings({ initialWindowSize: 1 << 22, maxFrameSize: 1 << 20 });
    assert.ok((await ask(session, { ":path": "/big", ":method": "POST" }, big)).body.endsWith(big));
    session.close();
  },

  // To a task that speaks HTTP/2 (node_server.js).
  async trailers() {
    const session = connect();
    const call = { ":path": "/t", ":method": "POST", te: "trailers", "content-type": "application/grpc" };
    const answer = await ask(session, call, "hello", { "x-checksum": "7" });
    assert.equal(answer.head[":status"], 200);
    assert.equal(answer.body, "hello");
    assert.equal(answer.trailers["grpc-status"], "0");
    assert.equal(answer.trailers["x-got"], "7");
    session.close();
  },

  // A stream that is given up ends at the task, and the session goes on.
  async gives_up() {
    const session = connect();
    for (let n = 0; n < 20; n++) {
      const stream = session.request({ ":path": "/endless" });
      await new Promise((done) => stream.once("data", done));
      const closed = new Promise((done) => stream.once("close", done));
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await closed;
    }
    for (let n = 0; ; n++) {
      const { body } = await ask(session, { ":path": "/open" });
      if (body === "0") break;
      assert.ok(n < 100, `${body} are open`);
      await new Promise((done) => setTimeout(done, 50));
    }
    session.close();
  },

  async fetches() {
    const answer = await fetch(`${origin}/x?y`, { headers: { "x-own": "1" } });
    assert.equal(answer.status, 200);
    const text = await answer.text();
    assert.ok(text.includes("\nGET /x?y HTTP/1.1\n") && text.includes("\nx-own: 1\n"), text);
    const posted = await fetch(origin, { method: "POST", body: "hello" });
    assert.ok((await posted.text()).endsWith("\n\nhello"));
    // A body of unknown length.
    const parts = new ReadableStream({
      start(parts) {
        for (const part of ["one ", "two ", "three"]) parts.enqueue(new TextEncoder().encode(part));
        parts.close();
      },
    });
    const streamed = await fetch(origin, { method: "POST", body: parts, duplex: "half" });
    assert.ok((await streamed.text()).endsWith("\n\none two three"));
    const many = [...Array(100).keys()].map(async (n) => (await fetch(`${origin}/${n}`)).text());
    (await Promise.all(many)).forEach((text, n) => assert.ok(text.includes(`GET /${n} `)));
  },
};

cases[name]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
