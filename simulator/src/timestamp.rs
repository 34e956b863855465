//! How Graph writes points in time, and which it accepts.
//!
//! Measured on live tenants: the answer to a POST has seven fractional digits, a later read two or
//! three with trailing zeros trimmed; a time text without an offset is refused.

use chrono::{DateTime, SubsecRound, Timelike, Utc};

/// Seven fractional digits, as in the answer to a POST.
pub(crate) fn full(at: DateTime<Utc>) -> String {
    format!(
        "{}.{:07}Z",
        seconds(at),
        at.nanosecond() % 1_000_000_000 / 100
    )
}

/// Milliseconds with trailing zeros trimmed, as on reads.
pub(crate) fn trimmed(at: DateTime<Utc>) -> String {
    let at = at.trunc_subsecs(3);
    let millis = at.nanosecond() % 1_000_000_000 / 1_000_000;
    let mut text = seconds(at);
    if millis > 0 {
        let digits = format!(".{millis:03}");
        text.push_str(digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Without zone, as in `innerError.date`.
pub(crate) fn seconds(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads a time text with `Z` or an offset; `None` without one.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn seven_digits_on_post_answers_and_trimmed_on_reads() {
        let at = parse("2026-03-01T09:00:02.1200000Z").unwrap();
        assert_eq!(full(at), "2026-03-01T09:00:02.1200000Z");
        assert_eq!(trimmed(at), "2026-03-01T09:00:02.12Z");
        let whole = parse("2026-03-01T11:00:02+02:00").unwrap();
        assert_eq!(full(whole), "2026-03-01T09:00:02.0000000Z");
        assert_eq!(trimmed(whole), "2026-03-01T09:00:02Z");
        assert_eq!(parse("2026-03-01T09:00:02"), None);
    }
}
