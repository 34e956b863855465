//! A span for each reconcile, for whoever exports traces. It names the object; what the object says is not in it.

use tracing::{Span, field::Empty, info_span};

use crate::graph::SPANS;

use super::grant::ObjectKey;

/// The span of a pass over an object.
pub(super) fn reconcile(object: &ObjectKey) -> Span {
    info_span!(
        target: SPANS,
        parent: None,
        "reconcile",
        otel.name = format!("reconcile {}", object.kind),
        otel.status_code = Empty,
        entrapim.kind = object.kind,
        k8s.namespace.name = Some(object.namespace.as_str()).filter(|name| !name.is_empty()),
        entrapim.name = object.name.as_str(),
    )
}

/// Says in a span how its pass ended.
pub(super) fn ended(span: &Span, ok: bool) {
    if !ok {
        span.record("otel.status_code", "ERROR");
    }
}
