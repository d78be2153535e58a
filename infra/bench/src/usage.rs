//! What a process has used, from /proc. See proc_pid_stat(5) and proc_pid_status(5).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// Processor time of all threads of a process, ended ones included. Counted by the kernel in ticks of 10 ms as a rule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat =
            fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
        Self::parse(&stat).context("/proc/PID/stat is not as proc_pid_stat(5) says")
    }

    /// `utime` and `stime` are fields 14 and 15; the second, the name, may hold spaces and brackets.
    fn parse(stat: &str) -> Option<Self> {
        let (_, behind_name) = stat.rsplit_once(')')?;
        let mut fields = behind_name.split_ascii_whitespace().skip(11);
        let mut ticks = || Some(ticks(fields.next()?.parse().ok()?));
        Some(Self {
            user: ticks()?,
            system: ticks()?,
        })
    }

    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_nanos(count * 1_000_000_000 / clock_ticks_per_second())
}

/// Processor time of each thread of a process, in nanoseconds, from /proc/PID/task/TID/schedstat.
///
/// [`Cpu`] is counted in ticks: whoever works for less than one at a time is seen by chance, and half a second of such work is
/// known to a tenth.
#[derive(Debug)]
pub(crate) struct RunTime(BTreeMap<OsString, u64>);

impl RunTime {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            let thread = thread?;
            // One that ends just now has its time in none of both looks.
            let Ok(stat) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let nanos = stat.split_ascii_whitespace().next();
            let nanos = nanos.and_then(|nanos| nanos.parse().ok());
            threads.insert(
                thread.file_name(),
                nanos.context("/proc/PID/task/TID/schedstat has no number")?,
            );
        }
        Ok(Self(threads))
    }

    /// What was used since then, by the threads that are still there.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, nanos)| {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            nanos.saturating_sub(before)
        });
        Duration::from_nanos(used.sum())
    }
}

/// Resident memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now_bytes: u64,
    pub(crate) peak_bytes: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
        Self::parse(&status).context("/proc/PID/status is not as proc_pid_status(5) says")
    }

    fn parse(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kibibytes * 1024)
        };
        Some(Self {
            now_bytes: bytes("VmRSS:")?,
            peak_bytes: bytes("VmHWM:")?,
        })
    }
}

/// In units of 10^6 bytes.
#[expect(clippy::cast_precision_loss, reason = "read by people")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_look_like_fields() {
        let stat = "7 (a ) 1 2) S 1 7 7 0 -1 4194560 900 0 0 0 300 40 5 6 20 0 4 0 100";
        let cpu = Cpu::parse(stat).unwrap();
        assert_eq!(cpu.user, ticks(300));
        assert_eq!(cpu.system, ticks(40));
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tlocal\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let memory = Memory::parse(status).unwrap();
        assert_eq!((memory.now_bytes, memory.peak_bytes), (1 << 20, 2 << 20));
    }

    #[test]
    fn this_process_has_used_something() {
        let pid = std::process::id();
        assert!(Memory::of(pid).unwrap().now_bytes > 0);
        Cpu::of(pid).unwrap();
        let before = RunTime::of(pid).unwrap();
        // Looking is work as well; the kernel writes it down when it next interrupts this thread.
        let is_seen = |_| RunTime::of(pid).unwrap().since(&before) > Duration::ZERO;
        assert!((0..100_000).any(is_seen));
    }
}
