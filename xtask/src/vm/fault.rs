//! Faults of the emulator, as opposed to those of the guest and of swarmlb.

use std::fmt;

/// The guest's kernel ended at a breakpoint that its memory does not have.
///
/// A kernel that changes its own code puts an INT3 there meanwhile, and takes it out when every CPU
/// has seen it (arch/x86/kernel/alternative.c, `text_poke_bp_batch`). Where one CPU of the emulator
/// translates the code at that moment, it may keep the translation with the INT3, and runs into it
/// later. Seen once, as the first container started.
#[derive(Debug)]
pub(super) struct StaleBreakpoint;

impl fmt::Display for StaleBreakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the emulator ran into a breakpoint that the guest's kernel had taken out")
    }
}

impl StaleBreakpoint {
    const INT3: &str = "cc";

    /// Whether that is what the console tells. In the dump of the code (`Code: 44 66 <90> 41`), the
    /// byte in front of the marked one was executed as INT3; the kernel read it afterwards.
    pub(super) fn is_in(console: &str) -> bool {
        console
            .lines()
            .skip_while(|line| !line.contains("int3: 0000 ["))
            .find_map(|line| line.split_once("Code: "))
            .and_then(|(_, code)| code.split(" <").next()?.split(' ').next_back())
            .is_some_and(|byte| byte != Self::INT3)
    }
}

#[cfg(test)]
mod tests {
    use super::StaleBreakpoint;

    fn console(code: &str) -> String {
        format!(
            "sshd: Accepted\n[   39.5] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n\
             [   39.5] RIP: 0010:kmem_cache_alloc_noprof+0x107/0x2f0\n[   39.5] Code: {code}\n\
             [   39.6] Code: cc <cc> 00\n"
        )
    }

    #[test]
    fn a_breakpoint_that_is_not_there_is_the_emulators() {
        assert!(StaleBreakpoint::is_in(&console(
            "31 f6 e8 7a 36 90 00 66 <90> 41 f7"
        )));
    }

    #[test]
    fn one_that_is_there_is_not() {
        assert!(!StaleBreakpoint::is_in(&console("31 f6 e8 cc <90> 41 f7")));
    }

    #[test]
    fn nor_is_any_other_end() {
        let other = console("66 <90> 41").replace("int3: 0000", "BUG: unable to handle page fault");
        assert!(!StaleBreakpoint::is_in(&other));
        assert!(!StaleBreakpoint::is_in(""));
    }
}
