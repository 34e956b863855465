//! Laws of durations, windows and ends.

use chrono::TimeDelta;
use proptest::{option, prelude::*};

use super::{
    VALUES,
    any::{base, declared, instant, window},
    cases,
};
use crate::pim::{
    duration::parse,
    window::{End, TOLERANCE},
};

proptest! {
    #![proptest_config(cases(VALUES))]

    #[test]
    fn a_written_duration_is_read_back(
        days in option::of(0..100_000_i64),
        hours in option::of(0..100_000_i64),
        minutes in option::of(0..100_000_i64),
    ) {
        let part = |number: Option<i64>, unit: &str| {
            number.map_or_else(String::new, |number| format!("{number}{unit}"))
        };
        let time = format!("{}{}", part(hours, "H"), part(minutes, "M"));
        let separator = if time.is_empty() { "" } else { "T" };
        let text = format!("P{}{separator}{time}", part(days, "D"));
        let length = days.unwrap_or(0) * 1_440 + hours.unwrap_or(0) * 60 + minutes.unwrap_or(0);
        let expected = (text != "P").then(|| TimeDelta::minutes(length));
        prop_assert_eq!(parse(&text).ok(), expected);
        // The same length in other units is the same duration.
        if let Some(days) = days {
            prop_assert_eq!(parse(&format!("P{days}D")), parse(&format!("P{}DT24H", days - 1)).or(parse("PT0M")));
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[PTDHMYWS0-9.-]{0,12}|.{0,12}") {
        let _ = parse(&text);
    }

    #[test]
    fn anchoring_later_never_ends_earlier_and_never_starts_in_the_past(
        declared in declared(), one in instant(), other in instant(),
    ) {
        let (early, late) = (one.min(other), one.max(other));
        let (first, second) = (declared.anchor(early), declared.anchor(late));
        prop_assert!(first.start <= second.start);
        prop_assert!(first.end <= second.end);
        prop_assert!(second.start >= late);
        prop_assert_eq!(declared.anchor(first.start), first, "anchoring at its own start changes nothing");
    }

    #[test]
    fn a_window_anchored_from_a_declaration_is_described_by_it(
        declared in declared(), lost in 0..=2_000_i64, later in 0..86_400_i64,
    ) {
        let mut window = declared.anchor(base());
        if let End::At(end) = window.end {
            window.end = End::At(end - TimeDelta::milliseconds(lost));
        }
        prop_assert!(declared.describes(&window, base()));
        let started = window.start + TimeDelta::seconds(later);
        prop_assert!(declared.describes(&window, started));
    }

    #[test]
    fn ends_are_ordered_and_agree_only_within_the_tolerance(one in window(), other in window()) {
        let (one, other) = (one.end, other.end);
        prop_assert_eq!(one.matches(other), other.matches(one));
        prop_assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        prop_assert!(one <= one.plus(TOLERANCE));
        prop_assert_eq!(
            one.matches(other),
            one <= other.plus(TOLERANCE) && other <= one.plus(TOLERANCE) && (one == End::Never) == (other == End::Never)
        );
    }
}
