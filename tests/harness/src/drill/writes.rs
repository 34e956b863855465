//! Who wrote what when, by the simulator's log: each replica calls itself by its name in the election.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use chrono::{DateTime, Utc};
use pim_operator::pim::provenance;
use serde_json::Value;

use crate::bed::BedError;

/// One schedule request that reached Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The process that sent it; empty if it did not say.
    pub process: String,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// The object that it was sent for, its generation, and the action.
    pub purpose: (String, Option<i64>, String),
    /// Whether Graph carried it out.
    pub carried_out: bool,
}

/// The requests of a simulator, as its log grows.
pub struct Writes {
    log: BufReader<File>,
    line: Vec<u8>,
    seen: Vec<Write>,
}

impl Writes {
    /// Reads a simulator's log from its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn follow(log: &Path) -> std::io::Result<Self> {
        Ok(Self {
            log: BufReader::new(File::open(log)?),
            line: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// The requests so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn so_far(&mut self) -> Result<&[Write], BedError> {
        // A line that is not whole yet is read on the next time.
        while self.log.read_until(b'\n', &mut self.line)? > 0 && self.line.ends_with(b"\n") {
            // The method is in front, and what is no write is long.
            let front = &self.line[..self.line.len().min(160)];
            if String::from_utf8_lossy(front).contains("\"POST\"") {
                self.seen
                    .extend(write(&serde_json::from_slice(&self.line)?));
            }
            self.line.clear();
        }
        Ok(&self.seen)
    }
}

fn write(exchange: &Value) -> Option<Write> {
    let path = exchange["path"].as_str()?;
    if !path.ends_with("ScheduleRequests") {
        return None;
    }
    let agent = exchange["userAgent"].as_str().unwrap_or_default();
    let named = agent
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let request = &exchange["request"];
    let origin = provenance::parse(request["justification"].as_str().unwrap_or_default());
    let origin = origin.unwrap_or_default();
    let action = request["action"].as_str().unwrap_or_default().to_owned();
    Some(Write {
        process: named.map(|(name, _)| name.to_owned()).unwrap_or_default(),
        at: exchange["time"].as_str()?.parse().ok()?,
        purpose: (origin.uid, origin.generation, action),
        carried_out: exchange["status"].as_u64() == Some(201)
            && exchange["response"]["status"] != "Failed",
    })
}

/// How many requests were carried out beyond one for each purpose.
#[must_use]
pub fn doubled(writes: &[Write]) -> usize {
    let mut counts: HashMap<_, usize> = HashMap::new();
    for write in writes.iter().filter(|write| write.carried_out) {
        *counts.entry(&write.purpose).or_default() += 1;
    }
    counts.values().map(|count| count - 1).sum()
}
