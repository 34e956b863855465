//! The query options of a call.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::filter::Filter;
use super::paging;
use crate::error::GraphError;

/// `$expand=group($select=id,displayName)`, `$expand=policy($select=id;$expand=rules)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expand {
    pub name: String,
    pub select: Option<Vec<String>>,
    /// What is expanded inside.
    pub inner: Vec<Expand>,
}

/// Query options, with or without their `$` (Graph serves both).
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub filter: Option<Filter>,
    pub select: Option<Vec<String>>,
    pub expand: Vec<Expand>,
    pub top: Option<usize>,
    /// Property, and whether it descends.
    pub order_by: Option<(String, bool)>,
    pub count: bool,
    /// Position after which the page begins.
    pub after: Option<u64>,
    pairs: Vec<(String, String)>,
}

const OPTIONS: &[&str] = &[
    "filter",
    "select",
    "expand",
    "top",
    "orderby",
    "count",
    "skiptoken",
    "skip",
    "search",
    "format",
];

/// What stays readable in a next link.
const KEEP: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$');

impl Query {
    /// Reads a raw query string.
    pub fn parse(raw: &str) -> Result<Self, GraphError> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(raw.as_bytes()) {
            let (name, value) = (name.into_owned(), value.into_owned());
            let option = name.strip_prefix('$').unwrap_or(&name).to_ascii_lowercase();
            match option.as_str() {
                "filter" => query.filter = Some(Filter::parse(&value)?),
                "select" => query.select = Some(names(&value)),
                "expand" => query.expand = expands(&value)?,
                "top" => {
                    let top = value.parse().ok().filter(|top| (1..=999).contains(top));
                    query.top = Some(top.ok_or_else(|| invalid("$top", &value))?);
                }
                "orderby" => query.order_by = Some(order(&value)?),
                "count" => query.count = value.eq_ignore_ascii_case("true"),
                "skiptoken" => {
                    let after = paging::position(&value);
                    query.after = Some(after.ok_or_else(|| invalid("$skiptoken", &value))?);
                }
                "skip" | "search" => {
                    return Err(GraphError::unsupported_query(format!(
                        "The query option '${option}' is not supported."
                    )));
                }
                _ if name.starts_with('$') && !OPTIONS.contains(&option.as_str()) => {
                    return Err(GraphError::bad_request(
                        "BadRequest",
                        format!("The query parameter '{name}' is not supported."),
                    ));
                }
                _ => {}
            }
            query.pairs.push((name, value));
        }
        Ok(query)
    }

    /// The link to the next page: same host, path and options, another opaque token.
    pub fn next_link(&self, base: &str, path: &str, after: u64) -> String {
        let mut link = format!("{base}{path}?");
        for (name, value) in &self.pairs {
            if name
                .trim_start_matches('$')
                .eq_ignore_ascii_case("skiptoken")
            {
                continue;
            }
            link.extend(utf8_percent_encode(name, KEEP));
            link.push('=');
            link.extend(utf8_percent_encode(value, KEEP));
            link.push('&');
        }
        link.push_str("$skiptoken=");
        link.push_str(&paging::token(after));
        link
    }
}

fn invalid(option: &str, value: &str) -> GraphError {
    GraphError::bad_request(
        "BadRequest",
        format!("Invalid value '{value}' for {option}."),
    )
}

fn names(list: &str) -> Vec<String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn order(value: &str) -> Result<(String, bool), GraphError> {
    let mut words = value.split_whitespace();
    let name = words.next().ok_or_else(|| invalid("$orderby", value))?;
    let descending = match words.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(invalid("$orderby", value)),
    };
    Ok((name.to_owned(), descending))
}

/// Splits at a separator outside parentheses.
fn split(value: &str, separator: char) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for next in value.chars() {
        match next {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if next == separator && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(next);
        }
    }
    (depth == 0).then_some(parts)
}

fn expands(value: &str) -> Result<Vec<Expand>, GraphError> {
    let bad = || invalid("$expand", value);
    let parts = split(value, ',').ok_or_else(bad)?;
    parts
        .iter()
        .map(|part| {
            let (name, inner) = match part.trim().split_once('(') {
                None => (part.trim(), None),
                Some((name, inner)) => (name, Some(inner.strip_suffix(')').ok_or_else(bad)?)),
            };
            let mut expand = Expand {
                name: name.to_owned(),
                select: None,
                inner: Vec::new(),
            };
            for option in inner
                .map_or(Some(Vec::new()), |inner| split(inner, ';'))
                .ok_or_else(bad)?
            {
                match option.trim().split_once('=') {
                    Some(("$select", list)) => expand.select = Some(names(list)),
                    Some(("$expand", list)) => expand.inner = expands(list)?,
                    _ => return Err(bad()),
                }
            }
            Ok(expand)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn options_work_with_and_without_the_dollar_sign() {
        let query = Query::parse("filter=groupId%20eq%20'x'&$select=id,status&%24top=5").unwrap();
        assert!(query.filter.is_some());
        assert_eq!(
            query.select,
            Some(vec!["id".to_owned(), "status".to_owned()])
        );
        assert_eq!(query.top, Some(5));
    }

    #[test]
    fn expands_keep_their_nested_select() {
        let query = Query::parse("$expand=group($select=id,displayName),principal").unwrap();
        assert_eq!(query.expand.len(), 2);
        assert_eq!(query.expand[0].select.as_ref().map(Vec::len), Some(2));
    }

    #[test]
    fn expands_go_deeper() {
        let query = Query::parse("$expand=policy($select=id;$expand=rules($select=id))").unwrap();
        let policy = &query.expand[0];
        assert_eq!(policy.select, Some(vec!["id".to_owned()]));
        assert_eq!(policy.inner[0].name, "rules");
        assert_eq!(policy.inner[0].select, Some(vec!["id".to_owned()]));
        for text in [
            "$expand=a(",
            "$expand=a)",
            "$expand=a($top=1)",
            "$expand=a($select=b))",
        ] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_next_link_can_be_read_back() {
        let query = Query::parse("$filter=displayName%20eq%20'R%26D''s'&$top=2").unwrap();
        let link = query.next_link("http://host", "/v1.0/groups", 42);
        let again = Query::parse(link.split_once('?').unwrap().1).unwrap();
        assert_eq!(again.after, Some(42));
        assert_eq!(again.filter, query.filter);
    }
}
