//! The sections of `docs/conditions.md`, from the vocabulary in the code.

use std::fmt::Write;

use pim_operator::api::conditions::{Announcement, ConditionType, Reason};

/// Where they begin on the page.
pub const BEGIN: &str = "<!-- vocabulary: made by `make docs` -->\n";
/// Where they end.
pub const END: &str = "<!-- end of vocabulary -->\n";

/// The sections.
pub fn sections() -> String {
    let mut text = String::new();
    let mut chapter = |title: &str, words: Vec<(&str, &str, &str)>| {
        write!(text, "\n## {title}\n").unwrap();
        for (word, meaning, advice) in words {
            write!(text, "\n### {word}\n\n{meaning}\n*What to do:* {advice}\n").unwrap();
        }
    };
    let types = ConditionType::ALL.iter();
    chapter(
        "Condition types",
        types
            .map(|one| (one.as_str(), one.meaning(), one.what_to_do()))
            .collect(),
    );
    let reasons = Reason::ALL.iter();
    chapter(
        "Reasons",
        reasons
            .map(|one| (one.as_str(), one.meaning(), one.what_to_do()))
            .collect(),
    );
    let events = Announcement::ALL.iter();
    chapter(
        "Events",
        events
            .map(|one| (one.as_str(), one.meaning(), one.what_to_do()))
            .collect(),
    );
    text.push('\n');
    text
}
