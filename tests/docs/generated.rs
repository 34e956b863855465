//! What in the documentation is made from the code. `make docs` makes it anew: these tests with `UPDATE=1`.

use std::{collections::BTreeSet, fs};

use pim_operator::api::{
    conditions::{Announcement, ConditionType, Reason},
    crds,
};

use crate::{
    command_line,
    page::{Page, read, repository},
    reference, vocabulary,
};

/// Holds a file against what it should be, or makes it that.
fn hold(path: &str, wanted: &str) {
    let file = repository(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, wanted).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{path} is not up to date: run `make docs`");
}

#[test]
fn the_reference_is_that_of_the_schemas_and_of_the_command_line() {
    let mut names = BTreeSet::new();
    for crd in crds::all() {
        let name = format!("{}.md", crd.spec.names.singular.as_ref().unwrap());
        hold(&format!("docs/reference/{name}"), &reference::page(&crd));
        names.insert(name);
    }
    hold("docs/reference/README.md", &reference::index(&crds::all()));
    hold("docs/reference/command-line.md", &command_line::page());
    names.extend(["README.md", "command-line.md"].map(str::to_owned));
    let found = fs::read_dir(repository("docs/reference")).unwrap();
    let found: BTreeSet<String> = found
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        found, names,
        "docs/reference holds pages of kinds that are no more"
    );
}

#[test]
fn the_page_on_conditions_is_made_from_the_vocabulary() {
    let page = read("docs/conditions.md");
    let (before, rest) = page.split_once(vocabulary::BEGIN).unwrap();
    let (_, after) = rest.split_once(vocabulary::END).unwrap();
    let (begin, end) = (vocabulary::BEGIN, vocabulary::END);
    let middle = vocabulary::sections();
    hold(
        "docs/conditions.md",
        &format!("{before}{begin}{middle}{end}{after}"),
    );
}

/// Whatever made the page: nothing is left out, and nothing is told of that does not exist.
#[test]
fn the_page_on_conditions_has_a_heading_for_each_word_and_no_other() {
    let words: Vec<&str> = ConditionType::ALL
        .iter()
        .map(|type_| type_.as_str())
        .chain(Reason::ALL.iter().map(|reason| reason.as_str()))
        .chain(Announcement::ALL.iter().map(|event| event.as_str()))
        .collect();
    let page = Page::read("docs/conditions.md".into());
    let sections: BTreeSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
    assert_eq!(sections.len(), words.len(), "two words share an anchor");
    let chapters = [
        "conditions-reasons-and-events",
        "condition-types",
        "reasons",
        "events",
        "how-to-read-them",
    ];
    let found: BTreeSet<String> = page
        .anchors
        .iter()
        .filter(|anchor| !chapters.contains(&anchor.as_str()))
        .cloned()
        .collect();
    assert_eq!(found, sections);
}

#[test]
fn every_word_is_explained_in_whole_sentences() {
    let check = |word: &str, meaning: &str, advice: &str| {
        for text in [meaning, advice] {
            assert!(text.len() >= 8 && text.ends_with('.'), "{word}: {text}");
            assert!(text.len() < 700, "{word} is no paragraph but an essay");
        }
    };
    for one in ConditionType::ALL {
        check(one.as_str(), one.meaning(), one.what_to_do());
    }
    for one in Reason::ALL {
        check(one.as_str(), one.meaning(), one.what_to_do());
    }
    for one in Announcement::ALL {
        check(one.as_str(), one.meaning(), one.what_to_do());
    }
}
