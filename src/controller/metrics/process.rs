//! The process itself, under the names that every Prometheus client uses for it, read from Linux when it is asked for.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::SECONDS;

/// How Linux counts processor time for programs, on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Default for Process {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: since.map_or(0.0, |since| since.as_secs_f64()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut out: DescriptorEncoder) -> fmt::Result {
        let metric = out.encode_descriptor(
            "process_start_time",
            "When the operator started, in seconds since 1970",
            Some(&SECONDS),
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.started).encode(metric)?;
        // Where there is no such file, there is no such metric.
        if let Some(bytes) = fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| resident_bytes(&text))
        {
            let metric = out.encode_descriptor(
                "process_resident_memory",
                "Memory in use",
                Some(&prometheus_client::registry::Unit::Bytes),
                MetricType::Gauge,
            )?;
            ConstGauge::new(bytes).encode(metric)?;
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| processor_seconds(&text))
        {
            let metric = out.encode_descriptor(
                "process_cpu",
                "Processor time used",
                Some(&SECONDS),
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        Ok(())
    }
}

/// `VmRSS:   23456 kB`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The 14th and 15th field, in ticks. The second one is a name in brackets that may hold anything.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_processor_time_are_read_as_linux_writes_them() {
        let status = "Name:\tpim-operator\nVmHWM:\t   30000 kB\nVmRSS:\t   20480 kB\n";
        assert_eq!(resident_bytes(status), Some(20 * 1024 * 1024));
        assert_eq!(resident_bytes("Name:\tpim-operator\n"), None);
        let stat = "42 (a) name (b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 8 0 1000";
        assert_eq!(processor_seconds(stat), Some(3.0));
        assert_eq!(processor_seconds("42"), None);
    }
}
