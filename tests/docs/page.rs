//! A page of the documentation: its links, its anchors, its code.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

/// A block of code.
pub struct Code {
    /// What it is written in, as the page says.
    pub language: String,
    /// Its text.
    pub text: String,
    /// The line of the page that it begins on.
    pub line: usize,
}

/// A link.
pub struct Link {
    pub target: String,
    pub line: usize,
}

/// A page.
pub struct Page {
    /// Its path in the repository.
    pub path: PathBuf,
    pub links: Vec<Link>,
    pub anchors: BTreeSet<String>,
    pub blocks: Vec<Code>,
    /// Code within sentences and tables.
    pub spans: Vec<Code>,
}

/// A path in this repository.
pub fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the repository.
pub fn read(path: impl AsRef<Path>) -> String {
    let file = repository(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The page that leads to all others.
pub const INDEX: &str = "docs/README.md";

/// Every page that people read.
pub fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    for file in ["README.md", "SECURITY.md", "CONTRIBUTING.md"] {
        found.push(PathBuf::from(file));
    }
    for folder in ["docs", "charts", "simulator"] {
        markdown_in(Path::new(folder), &mut found);
    }
    found.sort();
    found.into_iter().map(Page::read).collect()
}

fn markdown_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(repository(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            markdown_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The anchor that a heading gets: as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| {
        if letter == ' ' {
            "-".to_owned()
        } else {
            letter.to_lowercase().to_string()
        }
    })
    .collect()
}

impl Page {
    /// Reads a page of the repository.
    pub fn read(path: PathBuf) -> Self {
        let text = read(&path);
        Self::parse(path, &text)
    }

    /// Reads a page from its text.
    pub fn parse(path: PathBuf, text: &str) -> Self {
        let mut page = Self {
            path,
            links: Vec::new(),
            anchors: BTreeSet::new(),
            blocks: Vec::new(),
            spans: Vec::new(),
        };
        let lines: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
        let mut heading: Option<String> = None;
        let mut block: Option<Code> = None;
        let options = Options::ENABLE_TABLES | Options::ENABLE_GFM;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            let line = lines.partition_point(|end| *end < range.start) + 1;
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.add_anchor(&heading.take().unwrap()),
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(words) => words.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    let text = String::new();
                    block = Some(Code {
                        language,
                        text,
                        line,
                    });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Start(
                    Tag::Link {
                        link_type,
                        dest_url,
                        ..
                    }
                    | Tag::Image {
                        link_type,
                        dest_url,
                        ..
                    },
                ) if link_type != LinkType::Email => page.links.push(Link {
                    target: dest_url.to_string(),
                    line,
                }),
                Event::Text(words) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&words);
                    }
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                }
                Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    page.spans.push(Code {
                        language: String::new(),
                        text: words.to_string(),
                        line,
                    });
                }
                _ => {}
            }
        }
        page
    }

    fn add_anchor(&mut self, heading: &str) {
        let first = anchor(heading);
        let mut name = first.clone();
        let mut number = 0;
        while !self.anchors.insert(name) {
            number += 1;
            name = format!("{first}-{number}");
        }
    }

    /// Where a line of the page is, for people.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

#[test]
fn a_page_is_read_as_a_reader_sees_it() {
    let text = "# The `a_b` page: one\n\n## Again\n\n## Again\n\n[x](y.md#z) `code`\n\n```bash\nmake test\n```\n\n<https://a.example>\n\n    [no](link.md)\n";
    let page = Page::parse("a.md".into(), text);
    let anchors: Vec<_> = page.anchors.iter().map(String::as_str).collect();
    assert_eq!(anchors, ["again", "again-1", "the-a_b-page-one"]);
    let links: Vec<_> = page
        .links
        .iter()
        .map(|link| (link.target.as_str(), link.line))
        .collect();
    assert_eq!(links, [("y.md#z", 7), ("https://a.example", 13)]);
    assert_eq!(page.blocks[0].language, "bash");
    assert_eq!(page.blocks[0].text, "make test\n");
    assert_eq!(page.spans.last().unwrap().text, "code");
}
