//! Every call of every service, by everybody: what its policy says is what happens.
//!
//! A call that the policy denies never succeeds, and shows nothing of what is there; one that it allows is never
//! refused for who asks. Both are asked of the real service with a real thing behind every part of the path
//! ([`scene`]) and a body that it would take ([`bodies`]); a call without its case fails.

mod bodies;
mod callers;
mod scene;
mod volume;

use http::Method;
use kilonova::docs::{Face, faces};
use microversion::Range;
use rest::{Access, Line, Status};
use serde_json::Value;
use testing::{Answer, TestCloud};
use web::policy::{Policy, Target};

use callers::Caller;
use scene::Scene;

/// Calls whose bodies or headers are looked at before policy is asked, where this test knows none that is right: a
/// caller who may not make them reads 400. Each is tested elsewhere.
const NOT_ASKED_FIRST: &[&str] = &[];

/// Calls of compute that the image service decides about: by its call of this verb and path.
const DECIDED_BY_IMAGES: &[(&str, &str, &str)] = &[
    ("GET /images", "GET", "/v2/images"),
    ("GET /images/detail", "GET", "/v2/images"),
    ("GET /images/{id}", "GET", "/v2/images/{id}"),
    ("DELETE /images/{id}", "DELETE", "/v2/images/{id}"),
    ("GET /images/{image_id}/metadata", "GET", "/v2/images/{id}"),
    (
        "POST /images/{image_id}/metadata",
        "PATCH",
        "/v2/images/{id}",
    ),
    (
        "PUT /images/{image_id}/metadata",
        "PATCH",
        "/v2/images/{id}",
    ),
    (
        "GET /images/{image_id}/metadata/{id}",
        "GET",
        "/v2/images/{id}",
    ),
    (
        "PUT /images/{image_id}/metadata/{id}",
        "PATCH",
        "/v2/images/{id}",
    ),
    (
        "DELETE /images/{image_id}/metadata/{id}",
        "PATCH",
        "/v2/images/{id}",
    ),
];

/// The call of the image service that decides about a call.
fn decider<'f>(faces: &'f [Face], face: &Face, call: &Line) -> Option<(&'f Face, &'f Line)> {
    let name = format!("{} {}", call.verb, call.path);
    let known = |row: &&(&str, &str, &str)| face.name == "compute" && row.0 == name;
    let (_, verb, path) = DECIDED_BY_IMAGES.iter().find(known)?;
    let images = faces.iter().find(|face| face.name == "image")?;
    let mut calls = images.calls.iter();
    let call = calls.find(|call| call.verb.to_string() == *verb && call.path == *path);
    Some((images, call.expect("a call of the image service")))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_answers_everybody_as_the_policy_says() {
    let cloud = TestCloud::with("[identity]\npassword_hash_rounds = 4\n").await;
    let scene = Scene::build(&cloud).await;
    let callers = callers::all(&cloud, &scene).await;
    let mut wrong = Vec::new();
    let mut early = Vec::new();
    let faces = faces();
    for face in &faces {
        for call in &face.calls {
            let name = name(face, call);
            let (by, rule) = decider(&faces, face, call).unwrap_or((face, call));
            let policy = Policy::new(&by.rules).expect("the rules are in the language");
            let Some(path) = scene.fill(face, call) else {
                wrong.push(format!("{name}: nothing stands for a part of its path"));
                continue;
            };
            let body = bodies::of(face, call, &scene);
            let needs = call.verb.has_body() && call.status == Status::Built;
            if needs && body.is_none() && !bodies::has_none(face, call) {
                wrong.push(format!("{name}: has no body in the table"));
            }
            for caller in &callers {
                let allowed = allowed(by, &policy, rule, caller, &scene);
                let path = match allowed && scene::destroys(call) {
                    // Whoever may destroy it destroys nothing that others still need.
                    true => scene.elsewhere(face, call),
                    false => path.clone(),
                };
                let answer = ask(caller, face, call, &path, body.as_ref(), &scene).await;
                match judge(call, caller, allowed, &answer, &scene) {
                    Verdict::Right => {}
                    Verdict::Early => early.push(name.clone()),
                    Verdict::Wrong(why) => wrong.push(format!(
                        "{name} by {}: {} {why}: {:.200}",
                        caller.name,
                        answer.status.as_u16(),
                        answer.text
                    )),
                }
            }
        }
    }
    early.dedup();
    for name in &early {
        if !NOT_ASKED_FIRST.contains(&name.as_str()) {
            wrong.push(format!("{name}: 400 before policy is asked"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

fn name(face: &Face, call: &Line) -> String {
    let action = call.action.map(|action| format!(" {action}"));
    format!(
        "{} {}{}{}",
        call.verb,
        face.prefix,
        call.path,
        action.unwrap_or_default()
    )
}

/// What the policy says.
fn allowed(face: &Face, policy: &Policy, call: &Line, caller: &Caller, scene: &Scene) -> bool {
    let Some(subject) = &caller.subject else {
        return call.access == Access::Open;
    };
    match call.access {
        Access::Open | Access::Authenticated => true,
        Access::Rule(rule) => {
            let rule = format!("{}{rule}", face.rule_prefix);
            let target: Target<'_> = scene.target(face, call, caller);
            policy.enforce(&rule, subject, &target).is_ok()
        }
    }
}

async fn ask(
    caller: &Caller,
    face: &Face,
    call: &Line,
    path: &str,
    body: Option<&Value>,
    scene: &Scene,
) -> Answer {
    let method: Method = call.verb.to_string().parse().expect("a verb");
    let service = if face.name == "volume" {
        "volume"
    } else {
        "compute"
    };
    let version = format!("{service} {}", call.range.max);
    let mut headers = vec![("x-subject-token", scene.subject_token.as_str())];
    if call.range != Range::ALWAYS {
        headers.push(("openstack-api-version", version.as_str()));
    }
    if face.name == "image" && call.path.ends_with("/file") || call.path.ends_with("/stage") {
        headers.push(("content-type", "application/octet-stream"));
    }
    if face.name == "image" && method == Method::PATCH {
        headers.push((
            "content-type",
            "application/openstack-images-v2.1-json-patch",
        ));
    }
    // A page of it; a stream has no end.
    if call.path == "/servers/events" {
        headers.push(("accept", "application/json"));
    }
    // Migrations of all projects have a rule of their own; since 2.80 those of one can be asked for.
    if call.path == "/os-migrations" {
        headers.push(("openstack-api-version", "compute 2.80"));
    }
    let subject = caller.subject.as_ref();
    let own = subject.and_then(|subject| subject.project_id.as_ref());
    let own = own.map(|project| format!("{path}?project_id={project}"));
    let path = match (call.path, &own) {
        ("/os-migrations", Some(own)) => own.as_str(),
        _ => path,
    };
    caller.user.send(method, path, &headers, body).await
}

enum Verdict {
    Right,
    /// Refused for its form before it is known who asks.
    Early,
    Wrong(&'static str),
}

fn judge(call: &Line, caller: &Caller, allowed: bool, answer: &Answer, scene: &Scene) -> Verdict {
    let status = answer.status.as_u16();
    let known = caller.subject.is_some();
    match (status, allowed) {
        // Whoever proves who they are in the body may fail to.
        (..500, _) if call.access == Access::Open => Verdict::Right,
        (401, false) if !known => Verdict::Right,
        (_, false) if !known => Verdict::Wrong("without a token"),
        (401, _) => Verdict::Wrong("with a good token"),
        (501, _) if call.status == Status::NotBuilt => Verdict::Right,
        (410, _) if call.status == Status::Gone => Verdict::Right,
        (500.., _) => Verdict::Wrong("a failure"),
        (403, true) => Verdict::Wrong("though the policy allows it"),
        (_, true) => Verdict::Right,
        (403 | 404, false) => Verdict::Right,
        (400, false) => Verdict::Early,
        // A list of what the caller may see, and there is nothing.
        (200, false) if !scene.shows(&answer.text) => Verdict::Right,
        (_, false) => Verdict::Wrong("though the policy denies it"),
    }
}
