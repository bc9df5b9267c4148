//! What the user is shown once the sign-in is over. No IO.

use serde_json::json;
use uuid::Uuid;

use crate::objects::{ConnectionPlan, Object, Plan};
use crate::writes::Deed;

/// Shown before YAML is printed.
pub(crate) const YAML_WARNING: &str = "The output contains a credential. Encrypt it with SOPS or Sealed Secrets before it \
                                       is stored anywhere, and apply it soon.";

/// Returns who has signed in where.
pub(crate) fn signed_in(user: Option<&str>, tenant_id: Uuid) -> String {
    match user {
        Some(user) => format!("Signed in as {user} to tenant {tenant_id}."),
        None => format!("Signed in to tenant {tenant_id}."),
    }
}

/// Returns the line that kubectl would print.
pub(crate) fn deed(object: &Object, deed: Deed) -> String {
    let deed = match deed {
        Deed::Created => "created",
        Deed::Updated => "configured",
        Deed::Unchanged => "unchanged",
    };
    format!("{}/{} {deed}\n", object.resource.singular(), object.name)
}

/// Returns what is left for the user to do.
pub(crate) fn next_steps(plan: &Plan, stores_client_secret: bool) -> Vec<String> {
    let has_client_secret = stores_client_secret || plan.stored_client_secret.is_some();
    let credential = json!({ "refreshToken": plan.credential(has_client_secret) });
    let mut steps = Vec::new();
    match &plan.connection {
        ConnectionPlan::Uses(_) | ConnectionPlan::Create(_) => {}
        ConnectionPlan::HasOther(name) => {
            let mut credential = credential;
            for other in ["clientSecret", "clientCertificate", "workloadIdentity"] {
                credential[other] = json!(null);
            }
            let patch = json!({ "spec": { "credential": credential } });
            steps.push(format!(
                "GraphConnection {name} has another credential. To use this one:\n  kubectl patch gconn {name} --type \
                 merge --patch '{patch}'"
            ));
        }
        ConnectionPlan::Missing(_) | ConnectionPlan::None => steps.push(format!(
            "To use it, set spec.credential of a GraphConnection to {credential}, or pass --connection NAME \
             --create-connection."
        )),
    }
    if plan.operator.is_none() {
        steps.push(format!(
            "The operator must be allowed to get and patch Secret {}: see --create-role.",
            plan.token.name
        ));
    }
    steps
}
