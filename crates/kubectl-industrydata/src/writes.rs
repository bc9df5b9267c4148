//! Writing the objects: what is allowed, and what is in the way.

use serde_json::Value;

use crate::cluster::{Cluster, Write};
use crate::error::{ClusterError, Error};
use crate::objects::{ConnectionPlan, Object, Plan, Resource};
use crate::stored::{self, Change, Obstacle};

/// Most attempts to write an object that another client writes at the same time.
const MAX_ATTEMPTS: u32 = 5;

/// Checks that the user may write the objects.
///
/// # Errors
///
/// [`Error::Forbidden`] with everything that is missing.
pub(crate) async fn check_access(cluster: &Cluster, plan: &Plan) -> Result<(), Error> {
    let secret = Some(plan.token.name.as_str());
    let mut needed = vec![
        ("get", Resource::Secret, secret),
        ("create", Resource::Secret, None),
        ("patch", Resource::Secret, secret),
    ];
    if plan.operator.is_some() {
        for resource in [Resource::Role, Resource::RoleBinding] {
            needed.extend([
                ("get", resource, None),
                ("create", resource, None),
                ("patch", resource, None),
            ]);
        }
    }
    if let ConnectionPlan::Create(_) = plan.connection {
        needed.push(("create", Resource::GraphConnection, None));
    }
    let mut missing = Vec::new();
    for (verb, resource, name) in needed {
        if !cluster.may(verb, resource, name).await? {
            let plural = resource.plural();
            missing.push(format!(
                "{verb} {plural} in namespace {}",
                cluster.namespace
            ));
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Forbidden { missing })
    }
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Created,
    Updated,
    Unchanged,
}

/// Creates the Secret, or changes only the keys that are new in an existing one.
///
/// # Errors
///
/// [`Error`] if the Secret must not be changed, or cannot be.
pub(crate) async fn store(
    cluster: &Cluster,
    plan: &Plan,
    secret: &Object,
    forces: bool,
    write: Write,
) -> Result<Deed, Error> {
    for _ in 0..MAX_ATTEMPTS {
        let Some(found) = cluster.secret(&secret.name).await? else {
            if cluster.create(secret, write).await? {
                return Ok(Deed::Created);
            }
            continue;
        };
        let checked = found.check(plan, forces);
        checked.map_err(|obstacle| in_the_way(cluster, secret, obstacle))?;
        if cluster.patch(secret, &found.patch(secret), write).await? {
            return Ok(Deed::Updated);
        }
    }
    Err(conflict(cluster, secret))
}

/// Creates an object, or changes the one that an earlier run of this command created.
///
/// # Errors
///
/// [`Error`] if the object must not be changed, or cannot be.
pub(crate) async fn ensure(
    cluster: &Cluster,
    object: &Object,
    write: Write,
) -> Result<Deed, Error> {
    for _ in 0..MAX_ATTEMPTS {
        let found = cluster.get::<Value>(object.resource, &object.name).await?;
        let Some(found) = found else {
            // The API server looks for the Role of a binding, which a rehearsal has not created.
            let is_early = write == Write::Rehearse && object.resource == Resource::RoleBinding;
            if is_early || cluster.create(object, write).await? {
                return Ok(Deed::Created);
            }
            continue;
        };
        let change = stored::change(&found, object);
        match change.map_err(|obstacle| in_the_way(cluster, object, obstacle))? {
            Change::None => return Ok(Deed::Unchanged),
            Change::Patch(patch) => {
                if cluster.patch(object, &patch, write).await? {
                    return Ok(Deed::Updated);
                }
            }
        }
    }
    Err(conflict(cluster, object))
}

fn in_the_way(cluster: &Cluster, object: &Object, obstacle: Obstacle) -> Error {
    Error::Object {
        object: cluster.describe(object.resource, &object.name),
        state: obstacle.state,
        remedy: obstacle.remedy.to_owned(),
    }
}

fn conflict(cluster: &Cluster, object: &Object) -> Error {
    Error::Cluster {
        operation: format!("write {}", cluster.describe(object.resource, &object.name)),
        source: ClusterError::Conflict,
    }
}
