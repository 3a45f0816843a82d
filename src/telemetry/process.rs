//! What the machine says of this process, where it says it: on Linux.

use super::{Kind, Page};

/// What a process takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// Memory that is held in bytes.
    pub resident_bytes: Option<u64>,
    /// Files and connections that are open.
    pub open_files: Option<u64>,
}

impl Process {
    /// As it is now.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let files = std::fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: resident_bytes(&status),
            open_files: files.and_then(|files| u64::try_from(files.count()).ok()),
        }
    }

    /// Writes it, with when the process was started in seconds since 1970.
    pub fn write(&self, page: &mut Page, started_at: i64) {
        page.family("process_start_time_seconds", Kind::Gauge, "When the process was started, in seconds since 1970.");
        page.sample("", &[], started_at);
        if let Some(bytes) = self.resident_bytes {
            page.family("process_resident_memory_bytes", Kind::Gauge, "Memory that the process holds.");
            page.sample("", &[], bytes);
        }
        if let Some(files) = self.open_files {
            page.family("process_open_fds", Kind::Gauge, "Files and connections that the process has open.");
            page.sample("", &[], files);
        }
    }
}

/// The line `VmRSS: 12345 kB`, whatever blanks are in it.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_where_the_kernel_tells_it() {
        assert_eq!(resident_bytes("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
        assert_eq!(resident_bytes("VmRSS:\tmany kB"), None);
    }
}
