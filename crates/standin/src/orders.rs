//! `/__faults` and `/__deny`: the orders of tests and scripts.

use http::Response;
use http::request::Parts;
use s3s::Body;
use serde_json::Value;

use crate::body::Shared;
use crate::fault::{Fired, Rule};
use crate::reply::reply;
use crate::world::World;

/// Carries out an order; one that cannot be read is answered with status 400 and the reason.
pub(crate) async fn answer(parts: &Parts, body: Shared, world: &World) -> Response<Body> {
    let Some(text) = body.whole().await else {
        return refused("too long");
    };
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/__faults") => {
            let fired: Value = world.faults.fired().iter().map(Fired::to_json).collect();
            reply(200, "application/json", fired.to_string())
        }
        ("PUT", "/__faults") => match rules(&text) {
            Ok(rules) => {
                world.faults.set(rules);
                reply(200, "text/plain", String::new())
            }
            Err(why) => refused(&why),
        },
        ("PUT", "/__deny") => match actions(&text).map(|actions| world.deny(&actions)) {
            Some(Ok(())) => reply(200, "text/plain", String::new()),
            Some(Err(error)) => refused(&error.to_string()),
            None => refused("not a list of actions"),
        },
        _ => reply(404, "text/plain", String::new()),
    }
}

fn refused(why: &str) -> Response<Body> {
    reply(400, "text/plain", format!("{why}\n"))
}

/// A JSON list of rules.
fn rules(text: &[u8]) -> Result<Vec<Rule>, String> {
    let list: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let list = list.as_array().ok_or("not a list")?;
    list.iter().map(Rule::from_json).collect()
}

/// A JSON list of actions.
fn actions(text: &[u8]) -> Option<Vec<String>> {
    let list: Value = serde_json::from_slice(text).ok()?;
    list.as_array()?.iter().map(|action| action.as_str().map(str::to_owned)).collect()
}
