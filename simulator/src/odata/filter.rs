//! `$filter`: comparisons with `eq`, `ne` and `in`, `startswith`, `tolower`, joined by `and`, `or`.
//!
//! A set decides which properties it takes and whether it knows `or`; anything else is 400. Text in
//! quotes doubles its own quotes; comparisons ignore case, as the directory and PIM do.

use std::borrow::Cow;

use uuid::Uuid;

use crate::error::GraphError;

/// A literal, or the value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Null,
}

impl Operand<'_> {
    fn same(&self, other: &Operand<'_>) -> bool {
        match (self, other) {
            (Self::Text(one), Operand::Text(two)) => {
                one.eq_ignore_ascii_case(two) || one.to_lowercase() == two.to_lowercase()
            }
            (Self::Bool(one), Operand::Bool(two)) => one == two,
            (Self::Null, Operand::Null) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Equals {
        path: String,
        value: Operand<'static>,
    },
    Differs {
        path: String,
        value: Operand<'static>,
    },
    In {
        path: String,
        values: Vec<Operand<'static>>,
    },
    StartsWith {
        path: String,
        prefix: String,
    },
}

impl Filter {
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
        };
        let filter = parser.any_of()?;
        if parser.at < tokens.len() {
            return Err(malformed());
        }
        Ok(filter)
    }

    pub fn matches<'v>(&self, value: &impl Fn(&str) -> Operand<'v>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|filter| filter.matches(value)),
            Self::Or(any) => any.iter().any(|filter| filter.matches(value)),
            Self::Equals {
                path,
                value: wanted,
            } => wanted.same(&value(path)),
            Self::Differs {
                path,
                value: unwanted,
            } => !unwanted.same(&value(path)),
            Self::In { path, values } => {
                let value = value(path);
                values.iter().any(|wanted| wanted.same(&value))
            }
            Self::StartsWith { path, prefix } => match value(path) {
                Operand::Text(text) => text.to_lowercase().starts_with(&prefix.to_lowercase()),
                _ => false,
            },
        }
    }

    /// Refuses properties that the set does not take, and `or` where it does not know it.
    pub fn check(&self, type_name: &str, paths: &[&str], or: bool) -> Result<(), GraphError> {
        match self {
            Self::And(parts) => parts
                .iter()
                .try_for_each(|part| part.check(type_name, paths, or)),
            Self::Or(_) if !or => Err(GraphError::unsupported_query(
                "Or operator not supported for this entity set.",
            )),
            Self::Or(parts) => parts
                .iter()
                .try_for_each(|part| part.check(type_name, paths, or)),
            Self::Equals { path, .. }
            | Self::Differs { path, .. }
            | Self::In { path, .. }
            | Self::StartsWith { path, .. } => {
                if paths.contains(&path.as_str()) {
                    return Ok(());
                }
                Err(GraphError::bad_request(
                    "BadRequest",
                    format!("Could not find a property named '{path}' on type '{type_name}'."),
                ))
            }
        }
    }

    /// Whether it uses `ne`, which the directory only answers as an advanced query.
    pub fn uses_ne(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::uses_ne),
            Self::Differs { .. } => true,
            _ => false,
        }
    }

    /// The id that a property must equal, when the filter says so at its top.
    pub fn required_id(&self, paths: &[&str]) -> Option<Uuid> {
        match self {
            Self::And(parts) => parts.iter().find_map(|part| part.required_id(paths)),
            Self::Equals {
                path,
                value: Operand::Text(text),
            } if paths.contains(&path.as_str()) => {
                // An id that is not a GUID names nothing; nil stands for it.
                Some(Uuid::try_parse(text).unwrap_or_default())
            }
            _ => None,
        }
    }

    /// The text that a property must equal, when the filter says so at its top.
    pub fn required_text(&self, name: &str) -> Option<&str> {
        match self {
            Self::And(parts) => parts.iter().find_map(|part| part.required_text(name)),
            Self::Equals {
                path,
                value: Operand::Text(text),
            } if path == name => Some(text),
            _ => None,
        }
    }
}

fn malformed() -> GraphError {
    GraphError::bad_request("BadRequest", "Invalid filter clause.")
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Result<Vec<Token>, GraphError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            ' ' => {
                chars.next();
            }
            '(' | ')' | ',' => {
                chars.next();
                tokens.push(match next {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '\'' => {
                chars.next();
                let mut literal = String::new();
                loop {
                    match chars.next() {
                        None => return Err(malformed()),
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => literal.push(other),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            _ => {
                let mut word = String::new();
                while let Some(&next) = chars.peek() {
                    if matches!(next, ' ' | '(' | ')' | ',' | '\'') {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<&Token, GraphError> {
        let token = self.tokens.get(self.at).ok_or_else(malformed)?;
        self.at += 1;
        Ok(token)
    }

    fn word_is(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(next)) if next == word)
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), GraphError> {
        if self.next()? == wanted {
            Ok(())
        } else {
            Err(malformed())
        }
    }

    fn any_of(&mut self) -> Result<Filter, GraphError> {
        let mut parts = vec![self.all_of()?];
        while self.word_is("or") {
            self.at += 1;
            parts.push(self.all_of()?);
        }
        Ok(single(parts, Filter::Or))
    }

    fn all_of(&mut self) -> Result<Filter, GraphError> {
        let mut parts = vec![self.term()?];
        while self.word_is("and") {
            self.at += 1;
            parts.push(self.term()?);
        }
        Ok(single(parts, Filter::And))
    }

    fn term(&mut self) -> Result<Filter, GraphError> {
        let word = match self.next()? {
            Token::Open => {
                let inner = self.any_of()?;
                self.expect(&Token::Close)?;
                return Ok(inner);
            }
            Token::Word(word) => word.clone(),
            _ => return Err(malformed()),
        };
        if word.eq_ignore_ascii_case("startswith") {
            self.expect(&Token::Open)?;
            let path = self.path()?;
            self.expect(&Token::Comma)?;
            let Operand::Text(prefix) = self.literal()? else {
                return Err(malformed());
            };
            self.expect(&Token::Close)?;
            return Ok(Filter::StartsWith {
                path,
                prefix: prefix.into_owned(),
            });
        }
        let path = if word.eq_ignore_ascii_case("tolower") {
            self.expect(&Token::Open)?;
            let path = self.path()?;
            self.expect(&Token::Close)?;
            path
        } else {
            word
        };
        self.comparison(path)
    }

    fn comparison(&mut self, path: String) -> Result<Filter, GraphError> {
        let Token::Word(operator) = self.next()?.clone() else {
            return Err(malformed());
        };
        match operator.as_str() {
            "eq" => Ok(Filter::Equals {
                path,
                value: self.literal()?,
            }),
            "ne" => Ok(Filter::Differs {
                path,
                value: self.literal()?,
            }),
            "in" => {
                self.expect(&Token::Open)?;
                let mut values = vec![self.literal()?];
                loop {
                    match self.next()? {
                        Token::Comma => values.push(self.literal()?),
                        Token::Close => return Ok(Filter::In { path, values }),
                        _ => return Err(malformed()),
                    }
                }
            }
            _ => Err(GraphError::unsupported_query(format!(
                "The operator '{operator}' is not supported."
            ))),
        }
    }

    fn path(&mut self) -> Result<String, GraphError> {
        match self.next()? {
            Token::Word(word) => Ok(word.clone()),
            _ => Err(malformed()),
        }
    }

    fn literal(&mut self) -> Result<Operand<'static>, GraphError> {
        Ok(match self.next()? {
            Token::Text(text) => Operand::Text(Cow::Owned(text.clone())),
            Token::Word(word) => match word.as_str() {
                "null" => Operand::Null,
                "true" => Operand::Bool(true),
                "false" => Operand::Bool(false),
                // GUIDs, numbers and dates are written without quotes.
                _ => Operand::Text(Cow::Owned(word.clone())),
            },
            _ => return Err(malformed()),
        })
    }
}

fn single(mut parts: Vec<Filter>, join: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn operand(text: &str) -> Operand<'_> {
        Operand::Text(Cow::Borrowed(text))
    }

    #[test]
    fn quotes_inside_text_are_doubled() {
        let filter = Filter::parse("displayName eq 'O''Brien and (sons)'").unwrap();
        assert!(filter.matches(&|_: &str| operand("o'brien AND (sons)")));
        assert!(!filter.matches(&|_: &str| operand("O''Brien and (sons)")));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let filter = Filter::parse("a eq 'x' or b eq 'y' and c ne 'z'").unwrap();
        assert!(matches!(&filter, Filter::Or(parts) if parts.len() == 2));
        assert!(filter.uses_ne());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "a",
            "a eq",
            "a eq 'x",
            "a eq 'x' b eq 'y'",
            "a gt 5",
            "eq 'x'",
            "('a')",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
