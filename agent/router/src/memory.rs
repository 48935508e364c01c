//! Memory of the process: how much of it there may be, and how much there is.
//!
//! What one connection may make the router hold is bounded, and what all of them may is more than any machine has. So what
//! the process holds is looked at, and connections end where it gets near the limit.

use crate::clock::Seconds;
use rustix::param::page_size;
use rustix::system::sysinfo;
use std::cell::Cell;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hundredths of the limit from which on memory is short, and very short. Above that is room for what comes between two
/// looks, and for what the kernel keeps for the sockets of the same control group.
const SHORT: u64 = 70;
const VERY_SHORT: u64 = 80;
/// From here on nothing is waited for.
const FULL: u64 = 95;
/// What ends gives its memory to the allocator, which uses it for what comes next, and to the kernel only after a second or
/// two. Until then more ends only if what is held has grown by one in so many parts of the limit.
const GROWN: u64 = 64;
const SETTLED: Duration = Duration::from_secs(3);

/// Whether the process holds so much memory that connections have to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// There is enough.
    None,
    /// What idles should go.
    Short,
    /// What needs most of it has to go.
    VeryShort,
}

/// Looks at the memory of this process.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bytes that the process may hold.
    limit: u64,
    /// The kernel's word on it; without one there is always enough.
    statm: Option<File>,
    last: Cell<Option<Relief>>,
}

/// When something had to end, and how much was held then, or less if it has become less.
#[derive(Clone, Copy, Debug)]
struct Relief {
    at: Seconds,
    held: u64,
}

impl Memory {
    /// For a process that may hold so many bytes; without a limit there is always enough.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let statm = limit.map(|_| File::open("/proc/self/statm")).transpose();
        let statm = statm.inspect_err(|error| {
            tracing::warn!(%error, "the router's memory cannot be looked at");
        });
        Self {
            limit: limit.unwrap_or(u64::MAX),
            statm: statm.unwrap_or_default(),
            last: Cell::default(),
        }
    }

    /// Reads what the process holds, and says by it what has to end now.
    pub(crate) fn pressure(&self, now: Seconds) -> Pressure {
        let held = self.held();
        held.map_or(Pressure::None, |held| self.pressure_by(held, now))
    }

    fn pressure_by(&self, held: u64, now: Seconds) -> Pressure {
        let from = |hundredths: u64| held >= self.limit / 100 * hundredths;
        if !from(SHORT) {
            self.last.set(None);
            return Pressure::None;
        }
        if let Some(last) = self.last.get() {
            let least = last.held.min(held);
            let waits = held - least < self.limit / GROWN && !last.at.is_over(SETTLED, now);
            if waits && !from(FULL) {
                self.last.set(Some(Relief {
                    held: least,
                    ..last
                }));
                return Pressure::None;
            }
        }
        self.last.set(Some(Relief { at: now, held }));
        if from(VERY_SHORT) {
            Pressure::VeryShort
        } else {
            Pressure::Short
        }
    }

    fn held(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let pages = pages(std::str::from_utf8(text.get(..length)?).ok()?)?;
        Some(pages.saturating_mul(page_size() as u64))
    }
}

/// Pages that are in memory, without those of files, which the kernel can drop: from `/proc/self/statm` (proc(5)).
fn pages(statm: &str) -> Option<u64> {
    let mut numbers = statm.split_ascii_whitespace().skip(1);
    let mut next = || -> Option<u64> { numbers.next()?.parse().ok() };
    let (resident, of_files) = (next()?, next()?);
    Some(resident.saturating_sub(of_files))
}

/// Makes the allocator look whether it can give memory back to the kernel. mimalloc does so only while it is used for large
/// blocks, long after connections have been parked, and a router whose clients do nothing uses it for none.
pub(crate) fn give_back() {
    // Larger than what shares a page of mimalloc's with others (`MI_LARGE_MAX_OBJ_SIZE`). Nobody touches it.
    const BLOCK: usize = 4 << 20;
    drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
}

/// Bytes that this process may hold: the least of what its control groups and the machine have.
pub(crate) fn limit() -> u64 {
    let machine = sysinfo();
    let machine = machine.totalram.saturating_mul(machine.mem_unit.into());
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // A group without a limit has a word in the file, or a number that no machine has.
    let number =
        |file: PathBuf| -> Option<u64> { fs::read_to_string(file).ok()?.trim().parse().ok() };
    let limits = limit_files(&groups).into_iter().filter_map(number);
    limits.fold(machine, u64::min)
}

/// Where the limits of control groups stand, by `/proc/self/cgroup` (cgroups(7)): those of the process's own group and of all
/// above it. In a container the path may be the host's, where that of the root is the container's own.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mounted, name) = match controllers {
            // Version 2.
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(group.trim_start_matches('/'));
        let above = group.ancestors();
        files.extend(above.map(|group| Path::new(mounted).join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_near_the_limit() {
        let of = |held| Memory::new(Some(6_400)).pressure_by(held, Seconds::at(0));
        assert_eq!([0, 4_479].map(of), [Pressure::None; 2]);
        assert_eq!([4_480, 5_119].map(of), [Pressure::Short; 2]);
        assert_eq!([5_120, 9_000].map(of), [Pressure::VeryShort; 2]);
    }

    #[test]
    fn what_has_ended_is_waited_for_unless_more_is_added() {
        let memory = Memory::new(Some(6_400));
        let at = |seconds, held| memory.pressure_by(held, Seconds::at(seconds));
        assert_eq!(at(0, 5_200), Pressure::VeryShort);
        assert_eq!(at(1, 5_299), Pressure::None, "less than a 64th");
        assert_eq!(at(1, 5_300), Pressure::VeryShort);
        assert_eq!(at(2, 5_130), Pressure::None);
        assert_eq!(
            at(2, 5_230),
            Pressure::VeryShort,
            "more than it was in between"
        );
        assert_eq!(at(4, 5_230), Pressure::None);
        assert_eq!(at(5, 5_230), Pressure::VeryShort, "nothing has come back");
        assert_eq!(
            [6_080, 6_081].map(|held| at(5, held)),
            [Pressure::VeryShort; 2]
        );
        assert_eq!(
            [4_000, 5_120].map(|held| at(5, held)),
            [Pressure::None, Pressure::VeryShort]
        );
    }

    #[test]
    fn this_process_holds_some_and_less_than_the_limit() {
        let one_byte = Memory::new(Some(1));
        assert_eq!(one_byte.pressure(Seconds::at(0)), Pressure::VeryShort);
        let held = one_byte.held().unwrap();
        assert!((1 << 16..1 << 40).contains(&held), "{held}");
        assert_eq!(
            Memory::new(Some(1 << 50)).pressure(Seconds::at(0)),
            Pressure::None
        );
        assert_eq!(Memory::new(None).pressure(Seconds::at(0)), Pressure::None);
        assert!(limit() > held, "{}", limit());
    }

    #[test]
    fn pages_of_files_are_not_counted() {
        assert_eq!(pages("91840 2600 1900 12 0 4000 0\n"), Some(700));
        assert_eq!(pages("91840 2600"), None);
    }

    #[test]
    fn limits_are_those_of_the_own_group_and_all_above_it() {
        let files = |groups| {
            let files = limit_files(groups).into_iter();
            files
                .map(|it| it.display().to_string())
                .collect::<Vec<String>>()
        };
        assert_eq!(
            files("0::/system.slice/a.service\n"),
            [
                "/sys/fs/cgroup/system.slice/a.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            files("3:cpu,cpuacct:/docker/1\n2:memory:/docker/1\nx\n"),
            [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
    }
}
