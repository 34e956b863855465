//! Authentication contexts of Conditional Access: what a policy's `claimValue` should name.
//!
//! A policy may name a context that does not exist; PIM does not look.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::filter::Operand;
use crate::odata::shape::{self, Collection, Entity};
use crate::permissions;
use crate::world::World;

const SET: &str = "identity/conditionalAccess/authenticationContextClassReferences";
const TYPE: &str = "microsoft.graph.authenticationContextClassReference";
const PROPERTIES: &[&str] = &["id", "displayName", "description", "isAvailable"];

/// An authentication context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthenticationContextSeed {
    /// `c1` to `c99`.
    pub id: String,
    /// Name.
    pub display_name: String,
    /// What it asks for.
    #[serde(default)]
    pub description: String,
    /// Whether it is published to applications.
    #[serde(default = "yes")]
    pub is_available: bool,
}

fn yes() -> bool {
    true
}

/// Serves a call; `rest` is what follows the set.
pub(crate) fn serve(world: &World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    if call.method != "GET" {
        return Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        ));
    }
    permissions::authentication_contexts(call)?;
    let select = call.query.select.as_deref();
    shape::check_select(select, TYPE, PROPERTIES)?;
    let context = |entity| shape::context(&call.base, &call.version, SET, &call.query, entity);
    let shown = |seed: &AuthenticationContextSeed| {
        let mut body = json!(seed);
        shape::select(&mut body, select, &[]);
        body
    };
    match rest {
        [] => {
            let filter = call.query.filter.as_ref();
            filter.map_or(Ok(()), |filter| filter.check(TYPE, PROPERTIES, false))?;
            let fits = |seed: &&AuthenticationContextSeed| {
                let body = json!(seed);
                filter.is_none_or(|filter| filter.matches(&|name: &str| operand(&body[name])))
            };
            let found = world.authentication_contexts.iter().filter(fits);
            let body = Collection::<Value> {
                context: context(false),
                count: None,
                next_link: None,
                value: found.map(shown).collect(),
            };
            Ok(Answer::json(200, &body))
        }
        [id] => {
            let found = world
                .authentication_contexts
                .iter()
                .find(|seed| seed.id == *id);
            let seed = found.ok_or_else(|| GraphError::no_such_object(id))?;
            let body = Entity {
                context: context(true),
                entity: shown(seed),
            };
            Ok(Answer::json(200, &body))
        }
        [.., last] => Err(GraphError::unknown_segment(last)),
    }
}

fn operand(value: &Value) -> Operand<'static> {
    match value {
        Value::String(text) => Operand::Text(text.clone().into()),
        Value::Bool(flag) => Operand::Bool(*flag),
        _ => Operand::Null,
    }
}
