//! What a person reads: plain lines of at most 110 columns, with colour where a terminal shows them.

use std::{io::IsTerminal, time::Duration};

use crate::failure::Failure;

const WIDTH: usize = 110;
const INDENT: &str = "    ";

/// A space at which no line is broken.
const STUCK: &str = "\u{a0}";

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// Where the story is printed.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    colour: bool,
}

impl Screen {
    /// Standard output; in colour on a terminal, unless `NO_COLOR` asks for none.
    pub fn of_stdout() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    fn paint(self, style: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{style}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Prose before the story.
    pub fn prose(self, text: &str) {
        for line in wrap(text, WIDTH) {
            println!("{}", self.paint(DIM, &line));
        }
    }

    /// A step begins.
    pub fn heading(self, number: usize, title: &str, time: &str) {
        let number = format!("{number:>2}  ");
        let used = number.len() + title.chars().count() + time.chars().count();
        let gap = " ".repeat(WIDTH.saturating_sub(used).max(2));
        println!(
            "\n{}{gap}{}",
            self.paint(BOLD, &format!("{number}{title}")),
            self.paint(DIM, time)
        );
    }

    /// Somebody does something, or time passes.
    pub fn deed(self, text: &str) {
        self.labelled("*", 2, text, DIM);
    }

    /// A command.
    pub fn command(self, text: &str) {
        for (index, line) in wrap(text, WIDTH - INDENT.len() - 4).iter().enumerate() {
            let prompt = if index == 0 { "$ " } else { "    " };
            println!("{INDENT}{}", self.paint(BOLD, &format!("{prompt}{line}")));
        }
    }

    /// What a command printed: tables as they are, sentences wrapped.
    pub fn output(text: &str) {
        for line in text.lines().map(str::trim_end) {
            // A table's rows stay in line even where they are too wide; a sentence has no run of spaces.
            if line.contains("   ") {
                println!("{INDENT}{line}");
                continue;
            }
            for line in wrap(line, WIDTH - INDENT.len()) {
                println!("{INDENT}{line}");
            }
        }
    }

    /// What was asked of Graph.
    pub fn graph(self, calls: &[String]) {
        let whole: Vec<String> = calls.iter().map(|call| call.replace(' ', STUCK)).collect();
        self.labelled("Graph:", 7, &whole.join(", "), CYAN);
    }

    /// What was written to Kubernetes.
    pub fn kubernetes(self, text: &str) {
        self.labelled("Kubernetes:", 12, text, CYAN);
    }

    /// An expectation that holds.
    pub fn holds(self, what: &str) {
        self.labelled("ok", 3, what, GREEN);
    }

    /// A step ends.
    pub fn passed(self, took: Duration) {
        let text = format!("passed in {:.1} s", took.as_secs_f64());
        println!("{INDENT}{}", self.paint(DIM, &text));
    }

    /// A step fails.
    pub fn failure(self, failure: &Failure) {
        println!("{INDENT}{}", self.paint(RED, "FAILED"));
        for line in failure.to_string().lines() {
            println!("{INDENT}{line}");
        }
    }

    fn labelled(self, label: &str, column: usize, text: &str, style: &str) {
        let lines = wrap(text, WIDTH - INDENT.len() - column);
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let pad = " ".repeat(column - label.chars().count());
            let line = line.replace(STUCK, " ");
            println!("{INDENT}{}{pad}{line}", self.paint(style, label));
        }
    }
}

/// Breaks a text into lines at spaces; a word that is longer than a line stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_broken_at_spaces_and_a_long_word_stays_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a verylongword b", 5), ["a", "verylongword", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn without_colour_there_are_no_escapes() {
        assert_eq!(Screen { colour: false }.paint(RED, "text"), "text");
        assert_eq!(
            Screen { colour: true }.paint(GREEN, "ok"),
            "\u{1b}[32mok\u{1b}[0m"
        );
    }
}
