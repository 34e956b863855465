//! What was measured, against what was promised: a table for people, JSON for machines.

use std::{fmt::Write as _, path::PathBuf};

use pim_harness::bed::BedError;
use serde_json::{Map, Value};

use crate::meter::Figures;

/// A promise about one figure.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// No more than this.
    AtMost(f64),
    /// This, neither more nor less.
    Exactly(f64),
}

/// A figure and its limit.
#[derive(Clone, Debug)]
struct Bar {
    what: &'static str,
    measured: f64,
    limit: Limit,
}

impl Bar {
    fn holds(&self) -> bool {
        match self.limit {
            Limit::AtMost(most) => self.measured <= most,
            Limit::Exactly(value) => (self.measured - value).abs() < f64::EPSILON,
        }
    }

    fn text(&self) -> String {
        match self.limit {
            Limit::AtMost(most) => format!("{} ≤ {most}", self.what),
            Limit::Exactly(value) => format!("{} = {value}", self.what),
        }
    }
}

/// One case: what it cost, and what it may cost.
#[derive(Clone, Debug)]
pub struct Case {
    name: &'static str,
    figures: Map<String, Value>,
    bars: Vec<Bar>,
}

impl Case {
    /// A case without figures.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            figures: Map::new(),
            bars: Vec::new(),
        }
    }

    /// Adds the counts.
    pub fn figures(mut self, figures: &Figures) -> Result<Self, BedError> {
        if let Value::Object(fields) = serde_json::to_value(figures)? {
            self.figures.extend(fields);
        }
        Ok(self)
    }

    /// Adds a figure of the case's own.
    pub fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.figures.insert(name.to_owned(), value.into());
        self
    }

    /// Promises something about a figure. A figure that is missing misses every bar.
    pub fn bar(mut self, figure: &'static str, limit: Limit) -> Self {
        let measured = self.figures.get(figure).and_then(Value::as_f64);
        self.bars.push(Bar {
            what: figure,
            measured: measured.unwrap_or(f64::NAN),
            limit,
        });
        self
    }

    /// The bars that do not hold, in words.
    pub fn missed(&self) -> Vec<String> {
        self.bars
            .iter()
            .filter(|bar| !bar.holds())
            .map(|bar| format!("{}: {}, measured {}", self.name, bar.text(), bar.measured))
            .collect()
    }

    fn cell(&self, figure: &str) -> String {
        self.figures
            .get(figure)
            .map_or_else(|| "–".to_owned(), ToString::to_string)
    }
}

/// The table that the README quotes.
pub fn table(cases: &[Case]) -> String {
    const FIGURES: [(&str, &str); 8] = [
        ("calls", "graph_calls"),
        ("GETs", "graph_gets"),
        ("POSTs", "graph_posts"),
        ("round trips", "http_round_trips"),
        ("Kubernetes writes", "kubernetes_writes"),
        ("of these events", "kubernetes_events"),
        ("seconds", "wall_seconds"),
        ("MiB", "rss_mib"),
    ];
    let mut text = String::from("\n| case |");
    for (title, _) in FIGURES {
        let _ = write!(text, " {title} |");
    }
    text.push_str(" bar | ok |\n|---|");
    text.push_str(&"---:|".repeat(FIGURES.len()));
    text.push_str("---|---|\n");
    for case in cases {
        let _ = write!(text, "| `{}` |", case.name);
        for (_, figure) in FIGURES {
            let _ = write!(text, " {} |", case.cell(figure));
        }
        let bars: Vec<String> = case.bars.iter().map(Bar::text).collect();
        let ok = if case.missed().is_empty() {
            "yes"
        } else {
            "NO"
        };
        let _ = writeln!(text, " {} | {ok} |", bars.join(", "));
    }
    text.push('\n');
    text
}

/// Writes `target/bench/results.json`. Cases that were not measured this time keep their last results.
pub fn write(cases: &[Case]) -> Result<(), BedError> {
    let path = folder()?.join("results.json");
    let mut results: Map<String, Value> = std::fs::read(&path)
        .ok()
        .and_then(|earlier| serde_json::from_slice(&earlier).ok())
        .unwrap_or_default();
    for case in cases {
        results.insert(case.name.to_owned(), Value::Object(case.figures.clone()));
    }
    std::fs::write(&path, serde_json::to_vec_pretty(&results)?)?;
    println!("bench: {}", path.display());
    Ok(())
}

/// `target/bench` of the workspace, also where the build itself goes elsewhere.
pub fn folder() -> std::io::Result<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let folder = root.canonicalize()?.join("target/bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
