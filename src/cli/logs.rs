//! The log: how it is written, and what is in it. What is in it can be changed while the operator runs.
//!
//! The filter is read from a file where one is given, which is looked at again and again: in a cluster a mounted `ConfigMap`, so
//! that changing the level takes no right of the operator's and no restart. A filter that cannot be read changes nothing.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use tracing::{info, warn};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::Directive, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

use super::{CliError, traces::Traces};
use crate::graph::SPANS;

/// How often the file is looked at. The kubelet itself takes up to a minute to bring a change of a `ConfigMap` into it.
const LOOK: Duration = Duration::from_secs(2);

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The log of this process.
pub(super) struct Logs {
    filter: reload::Handle<EnvFilter, Registry>,
    /// The text of the filter in force.
    text: String,
    file: Option<PathBuf>,
}

impl Logs {
    /// Begins to write. The file's filter comes first, then the one that is given.
    pub(super) fn begin(
        format: LogFormat,
        given: &str,
        file: Option<PathBuf>,
        traces: Option<&Traces>,
    ) -> Result<Self, CliError> {
        let of_file = file.as_ref().and_then(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            let text = text.trim().to_owned();
            Some((filter(&text).ok()?, text))
        });
        let (filter, text) = match of_file {
            Some(found) => found,
            None => (filter(given)?, given.to_owned()),
        };
        let (filter, handle) = reload::Layer::new(filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = match format {
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
            LogFormat::Text => lines.boxed(),
        };
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(traces.map(Traces::layer))
            .try_init()?;
        Ok(Self {
            filter: handle,
            text,
            file,
        })
    }

    /// Follows the file. Never ends.
    pub(super) async fn follow(mut self) {
        let Some(file) = self.file.take() else {
            return std::future::pending().await;
        };
        // What was found last, be it good or bad: each is spoken of once.
        let mut found = Ok(self.text.clone());
        loop {
            let now = match tokio::fs::read_to_string(&file).await {
                Ok(text) => Ok(text.trim().to_owned()),
                Err(error) => Err(error.kind()),
            };
            if now != found {
                self.take(&now);
                found = now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn take(&mut self, found: &Result<String, std::io::ErrorKind>) {
        let in_force = self.text.clone();
        let text = match found {
            Ok(text) => text,
            Err(error) => {
                warn!(
                    in_force,
                    "the file with the log filter cannot be read, so the filter stays as it is: {error}"
                );
                return;
            }
        };
        match filter(text) {
            Ok(filter) => {
                // It fails only once nothing is logged any more.
                if self.filter.reload(filter).is_ok() {
                    self.text.clone_from(text);
                    info!(in_force = text, "the log filter has changed");
                }
            }
            Err(error) => {
                warn!(
                    in_force,
                    refused = text,
                    "the log filter must be such as `info` or `info,pim_operator=debug`, and stays as it is: {error}"
                );
            }
        }
    }
}

/// Reads a filter. Spans are for traces: no filter brings them into the log.
fn filter(text: &str) -> Result<EnvFilter, CliError> {
    if text.is_empty() {
        // It would mean errors alone, and nobody means that by an empty file.
        return Err("it is empty".into());
    }
    let without_spans: Directive = format!("{SPANS}=off").parse()?;
    Ok(EnvFilter::try_new(text)?.add_directive(without_spans))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_or_refused_and_never_lets_spans_in() {
        for good in ["info", "debug", "info,pim_operator=debug,kube_runtime=warn"] {
            let text = filter(good).map(|filter| filter.to_string());
            assert!(
                text.is_ok_and(|text| text.contains("pim_operator::spans=off")),
                "{good}"
            );
        }
        for bad in ["", "pim_operator=loud"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
