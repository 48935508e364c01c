//! Requests and answers between a load that counts and a task that does nothing but answer it
//! (`whoami quick`): as little as HTTP allows, so that what is measured is the way between.

/// Asks; the connection stays.
pub const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: task\r\n\r\n";
/// Asks, and has the task close the connection.
pub const ASK_ONCE: &[u8] = b"GET / HTTP/1.1\r\nHost: task\r\nConnection: close\r\n\r\n";
/// Asks for bytes without an end.
pub const ASK_FLOW: &[u8] = b"GET /flow HTTP/1.1\r\nHost: task\r\nConnection: close\r\n\r\n";

/// The answer to [`ASK`] and [`ASK_ONCE`], byte for byte.
pub const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
/// The head of the answer to [`ASK_FLOW`]; endless bytes follow.
pub const FLOW: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
