//! Pages: an opaque `$skiptoken` that holds the position of the last item served.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

const MARK: &str = "m~AQAnOzQ~";

/// The token for a position.
pub(super) fn token(after: u64) -> String {
    BASE64.encode(format!("{MARK}{after}"))
}

/// The position in a token; `None` for one that was not issued here.
pub(super) fn position(token: &str) -> Option<u64> {
    let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    text.strip_prefix(MARK)?.parse().ok()
}

/// Cuts a page out of items in order of their positions: items after the token, at most `size`. Also
/// the position to go on from, when there is more.
pub(crate) fn cut<T>(
    items: Vec<T>,
    position: impl Fn(&T) -> u64,
    after: Option<u64>,
    descending: bool,
    size: usize,
) -> (Vec<T>, Option<u64>) {
    let fits = |item: &T| match after {
        Some(after) if descending => position(item) < after,
        Some(after) => position(item) > after,
        None => true,
    };
    let mut items: Vec<T> = items.into_iter().filter(fits).collect();
    if descending {
        items.reverse();
    }
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().map(position).filter(|_| more);
    (items, next)
}
