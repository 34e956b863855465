//! ISO 8601 durations as PIM takes them: days, hours and minutes. Months and years are refused, because Graph refuses
//! them: their length depends on where they start.

use chrono::TimeDelta;
use thiserror::Error;

/// Why a duration was not understood; the text says what to write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Years, months or weeks.
    #[error(
        "`{0}` uses years, months or weeks, which Graph refuses: write days, such as P180D for six months"
    )]
    CalendarUnit(String),
    /// Anything else.
    #[error("`{0}` is not an ISO 8601 duration in days, hours and minutes, such as P90D or PT8H")]
    Malformed(String),
}

/// Reads a duration such as `P90D`, `PT8H` or `P1DT12H30M`.
///
/// # Errors
/// [`DurationError`] for anything but days, hours and minutes, in that order, each at most once.
pub fn parse(text: &str) -> Result<TimeDelta, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let body = text.strip_prefix('P').ok_or_else(malformed)?;
    let (date, time) = match body.split_once('T') {
        Some((_, "")) => return Err(malformed()),
        Some((date, time)) => (date, time),
        None => (body, ""),
    };
    if date.contains(['Y', 'M', 'W']) {
        return Err(DurationError::CalendarUnit(text.to_owned()));
    }
    if date.is_empty() && time.is_empty() {
        return Err(malformed());
    }
    let mut minutes = 0_i64;
    let mut take = |rest: &mut &str, unit: char, factor: i64| -> Result<(), DurationError> {
        if let Some((number, after)) = rest.split_once(unit) {
            if number.is_empty()
                || number.len() > 5
                || !number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err(malformed());
            }
            minutes += number.parse::<i64>().map_err(|_| malformed())? * factor;
            *rest = after;
        }
        Ok(())
    };
    let (mut date, mut time) = (date, time);
    take(&mut date, 'D', 24 * 60)?;
    take(&mut time, 'H', 60)?;
    take(&mut time, 'M', 1)?;
    if date.is_empty() && time.is_empty() {
        Ok(TimeDelta::minutes(minutes))
    } else {
        Err(malformed())
    }
}

/// Writes a duration as people declare it: `P90D`, `PT8H`, `P1DT12H30M`. What is less than a minute counts as one.
#[must_use]
pub fn text(length: TimeDelta) -> String {
    let minutes = (length.num_seconds().max(0) + 59) / 60;
    let parts = [
        (minutes / (24 * 60), 'D'),
        (minutes / 60 % 24, 'H'),
        (minutes % 60, 'M'),
    ];
    let mut text = "P".to_owned();
    for (number, unit) in parts {
        if unit != 'D' && number > 0 && !text.contains('T') {
            text.push('T');
        }
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    }
    if minutes == 0 {
        text.push_str("T0M");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_hours_and_minutes_are_read() {
        for (text, minutes) in [
            ("P90D", 90 * 1440),
            ("PT8H", 480),
            ("PT5M", 5),
            ("P1DT12H30M", 1440 + 750),
            ("PT1H45M", 105),
        ] {
            assert_eq!(parse(text), Ok(TimeDelta::minutes(minutes)), "{text}");
        }
    }

    #[test]
    fn months_years_and_weeks_are_refused_with_what_to_write() {
        for text in ["P6M", "P1Y", "P2W", "P1Y2M"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("P180D"), "{error}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", "P", "PT", "8h", "P1DT", "PT5S", "PT5M3H", "P-1D", "PT1.5H", "P999999D", "P1D1D",
            "pt8h",
        ] {
            assert!(
                matches!(parse(text), Err(DurationError::Malformed(_))),
                "{text}"
            );
        }
    }
}
