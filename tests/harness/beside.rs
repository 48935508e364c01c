//! Work on a thread of its own for as long as something else is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, anyhow};

/// Does something while `work` runs, which ends once the flag that it is given is set; what came of both.
pub fn beside<T, W: Send>(
    work: impl FnOnce(&AtomicBool) -> Result<W> + Send,
    acts: impl FnOnce() -> Result<T>,
) -> Result<(T, W)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let running = scope.spawn(|| work(&stop));
        // Also when what is done panics: the scope waits for the work.
        let stopper = SetOnDrop(&stop);
        let done = acts();
        drop(stopper);
        let worked = running
            .join()
            .map_err(|_| anyhow!("what ran beside it panicked"))?;
        Ok((done?, worked?))
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
