//! The thread that writes the lines, and the queue before it.

use super::Format;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that wait to be written: with a pipe that nobody reads, the router holds no more.
const MOST: usize = 4 << 20;
/// How long the last lines may take at the end.
const LAST: Duration = Duration::from_secs(1);
/// Least time between two words about lines that were dropped.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Takes lines, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    /// Form of the lines.
    pub(crate) format: Format,
    /// Lines have queries.
    pub(crate) query: bool,
    lines: Sender<String>,
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    ended: Receiver<()>,
}

impl AccessLog {
    /// Begins to write to `out`.
    ///
    /// # Errors
    /// When the kernel has no thread.
    pub(crate) fn start(
        format: Format,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, Writer)> {
        let (lines, receiver) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let queue = Arc::<Queue>::default();
        let log = Self {
            format,
            query: false,
            lines,
            queue: queue.clone(),
        };
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write(&receiver, &queue, out);
                // Nobody waits for it where nobody waits for the writer.
                let _ = end.send(());
            })?;
        Ok((log, Writer { ended }))
    }

    /// Takes a line; drops it if too much waits.
    pub(crate) fn write(&self, line: String) {
        let length = line.len();
        // Workers may go over the limit by a line each.
        if self.queue.bytes.load(Ordering::Relaxed) + length > MOST {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.queue.bytes.fetch_add(length, Ordering::Relaxed);
        if self.lines.send(line).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// Waits for the last lines, but not for a pipe that nobody reads. All who take lines are gone.
    pub(crate) fn finish(self) {
        let _ = self.ended.recv_timeout(LAST);
    }
}

fn write(lines: &Receiver<String>, queue: &Queue, out: impl Write) {
    let mut out = io::BufWriter::with_capacity(64 << 10, out);
    let mut told = (0, None::<Instant>);
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            if out.write_all(line.as_bytes()).is_err() {
                queue.dropped.fetch_add(1, Ordering::Relaxed);
            }
            queue.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            next = lines.try_recv().ok();
        }
        let failure = out.flush().err();
        let dropped = queue.dropped.load(Ordering::Relaxed);
        let (before, at) = told;
        if dropped > before && at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            let lines = dropped - before;
            tracing::warn!(lines, error = ?failure, "lines of the access log were dropped: nobody reads them fast enough");
            told = (dropped, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessLog, MOST};
    use crate::access_log::Format;
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::{Duration, Instant};

    /// A pipe whose reader takes a write each time that it is told to.
    struct Pipe {
        go: Receiver<()>,
        written: SyncSender<usize>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv();
            let _ = self.written.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_pipe_that_is_full_and_what_is_dropped_is_counted() {
        let (go, taken) = sync_channel(0);
        let (written, lengths) = sync_channel(1 << 20);
        let pipe = Pipe { go: taken, written };
        let (log, writer) = AccessLog::start(Format::Json, pipe).unwrap();
        let line = "x".repeat(1 << 16);
        let begin = Instant::now();
        let lines = 3 * MOST / line.len();
        for _ in 0..lines {
            log.write(line.clone());
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        let dropped = usize::try_from(log.dropped()).unwrap();
        assert!(dropped >= lines - MOST / line.len() - 2, "{dropped}");
        // The reader is back.
        drop((go, log));
        writer.finish();
        let written: usize = lengths.try_iter().sum();
        assert_eq!(written, (lines - dropped) * line.len());
    }
}
