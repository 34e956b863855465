//! `kubectl`, and what it answers.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use super::{Stage, repository};
use crate::{failure::Failure, screen::Screen};

impl Stage {
    /// Runs `kubectl` and shows nothing, unless it fails.
    pub async fn quietly(&self, args: &[&str]) -> Result<String, Failure> {
        let answer = self.run(args, None).await?;
        if answer.succeeded {
            return Ok(answer.text);
        }
        Err(Failure::differs(
            format!("kubectl {}", args.join(" ")),
            "success",
            answer.text,
        ))
    }

    async fn run(&self, args: &[&str], input: Option<&str>) -> Result<Answer, Failure> {
        let mut command = self.control_plane.kubectl();
        command
            .args(args)
            .current_dir(repository())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn()?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Answer {
            succeeded: output.status.success(),
            text: String::from_utf8_lossy(&text).trim_end().to_owned(),
        })
    }

    /// Runs `kubectl` and shows the command and its output.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String, Failure> {
        self.screen.command(&shown(args));
        let text = self.quietly(args).await?;
        Screen::output(&text);
        Ok(text)
    }

    /// Runs `kubectl`, shows it, and expects that the API server refuses.
    pub async fn kubectl_refused(&self, args: &[&str]) -> Result<String, Failure> {
        self.screen.command(&shown(args));
        let answer = self.run(args, None).await?;
        Screen::output(&answer.text);
        if answer.succeeded {
            return Err(Failure::differs(shown(args), "a refusal", answer.text));
        }
        Ok(answer.text)
    }

    /// Applies a manifest with the simulator's address in the place of the one written in it.
    pub async fn apply_tenant(&self, manifest: &str) -> Result<(), Failure> {
        const WRITTEN: &str = "127.0.0.1:8081";
        let url = self.simulator.url();
        let address = url.trim_start_matches("http://");
        let text = std::fs::read_to_string(repository().join(manifest))?;
        self.screen.command(&format!(
            "sed s/{WRITTEN}/{address}/ {manifest} | kubectl apply -f -"
        ));
        let answer = self
            .run(&["apply", "-f", "-"], Some(&text.replace(WRITTEN, address)))
            .await?;
        Screen::output(&answer.text);
        self.holds("the tenant is accepted", answer.succeeded)
    }
}

struct Answer {
    succeeded: bool,
    text: String,
}

/// The command as it would be typed.
fn shown(args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        if arg.contains([' ', '{', '"']) {
            format!("'{arg}'")
        } else {
            (*arg).to_owned()
        }
    });
    std::iter::once("kubectl".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}
