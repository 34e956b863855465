//! What a step may rest on: Graph's traffic, the API server's audit log, and plain comparisons.

use std::collections::BTreeMap;

use pim_harness::shapes::Findings;
use pim_testbed::{WriteCounts, count_writes};

use super::{Stage, broken, relative};
use crate::{
    failure::Failure,
    graph::{Calls, as_json},
};

impl Stage {
    /// Ends the step unless this is so.
    pub fn holds(&self, what: &str, so: bool) -> Result<(), Failure> {
        if !so {
            return Err(Failure::differs(what, "this is so", "it is not so"));
        }
        self.screen.holds(what);
        Ok(())
    }

    /// Ends the step unless a text says something.
    pub fn says(&self, what: &str, part: &str, text: &str) -> Result<(), Failure> {
        if !text.contains(part) {
            let expected = format!("a text with `{part}`");
            return Err(Failure::differs(what, expected, text));
        }
        self.screen.holds(what);
        Ok(())
    }

    /// Ends the step unless both are the same.
    pub fn same<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        expected: &T,
        found: &T,
    ) -> Result<(), Failure> {
        if expected != found {
            return Err(Failure::differs(
                what,
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        self.screen.holds(what);
        Ok(())
    }

    /// What was asked of Graph since this was last told.
    pub fn calls(&self) -> Calls {
        Calls::of(
            self.simulator
                .traffic()
                .entries()
                .get(self.told..)
                .unwrap_or_default(),
        )
    }

    /// Tells what was asked of Graph since the last time, and expects these writes and no others.
    pub fn graph(&mut self, writes: &[(&str, usize)]) -> Result<Calls, Failure> {
        let calls = self.calls();
        self.told = self.simulator.traffic().entries().len();
        self.screen.graph(&calls.summary());
        let expected: BTreeMap<String, usize> = writes
            .iter()
            .map(|(call, count)| ((*call).to_owned(), *count))
            .collect();
        if calls.writes != expected {
            return Err(Failure::differs(
                "the requests that change Entra",
                format!("{expected:?}"),
                format!("{:?}", calls.writes),
            ));
        }
        Ok(calls)
    }

    /// Tells what the operator wrote to Kubernetes since a position in the audit log, and answers how much of it was not the
    /// tenant's own report, whose times are brought up to date by the hour.
    pub fn kubernetes_writes(&self, since: u64) -> Result<usize, Failure> {
        let events = self.control_plane.audit_since(since).map_err(broken)?;
        let writes = count_writes(&events, "pim-operator/");
        let (reports, others): (Vec<_>, Vec<_>) = writes
            .iter()
            .partition(|(resource, _)| *resource == "entratenants/status");
        let sum = |counts: &[(&String, &WriteCounts)]| -> usize {
            counts.iter().map(|(_, count)| count.total()).sum()
        };
        let hourly = match sum(&reports) {
            0 => "",
            _ => ", but for the tenant's hourly report",
        };
        let others = sum(&others);
        self.screen.kubernetes(&format!(
            "{others} writes by pim-operator{hourly} (API server's audit log)"
        ));
        Ok(others)
    }

    /// Holds everything that went over the wire against Microsoft's own metadata.
    pub fn shapes(&self) -> Findings {
        let mut findings = Findings::default();
        for exchange in self.simulator.traffic().entries() {
            findings.exchange(&as_json(&exchange));
        }
        let log = relative(&self.traffic).display().to_string();
        self.screen.deed(&format!(
            "{} bodies of requests and answers, recorded in {log}, are held against Graph's metadata",
            findings.checked
        ));
        findings
    }
}
