//! What the operator may do on an environment: what the chart grants, word for word.

use industrydata_testbed::{Account, ControlPlane};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, DynamicObject, GroupVersionKind, PostParams};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt};
use tokio::sync::OnceCell;

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/industrydata-operator");

/// The account that the operator of an environment runs as.
pub const ACCOUNT: &str = "operator";

/// Stands for the namespace of an environment in what was rendered.
const NAMESPACE: &str = "namespace-of-the-environment";

/// Where the operator of an environment works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    OneNamespace,
    AllNamespaces,
}

/// The same with further values of the chart, as `--set` takes them.
pub async fn rendered_with(
    plane: &ControlPlane,
    namespace: &str,
    more: &str,
) -> Vec<DynamicObject> {
    let values = format!("watchNamespaces={{{namespace}}},{more}");
    let text = plane.roles_of_chart(namespace, ACCOUNT, &values).await;
    serde_saphyr::from_multiple(&text.unwrap()).unwrap()
}

/// The roles and bindings of the chart for an operator that is installed in a namespace.
pub async fn rendered(plane: &ControlPlane, namespace: &str, reach: Reach) -> Vec<DynamicObject> {
    static ONE: OnceCell<String> = OnceCell::const_new();
    static ALL: OnceCell<String> = OnceCell::const_new();
    // Objects of the whole cluster are called after the environment, as each environment has its own.
    let (text, reach) = match reach {
        Reach::OneNamespace => (&ONE, format!("watchNamespaces={{{NAMESPACE}}}")),
        Reach::AllNamespaces => (&ALL, format!("fullnameOverride={NAMESPACE}")),
    };
    let text = text.get_or_init(async || {
        let roles = plane.roles_of_chart(NAMESPACE, ACCOUNT, &reach);
        roles.await.unwrap()
    });
    let text = text.await.replace(NAMESPACE, namespace);
    serde_saphyr::from_multiple(&text).unwrap()
}

/// Grants these to the account of an environment, and waits until they have effect.
pub async fn grant(plane: &ControlPlane, account: &Account, objects: &[DynamicObject]) {
    let client = plane.client().await.unwrap();
    for object in objects {
        create(&client, object).await;
    }
    for object in objects {
        let (namespace, rules) = (object.namespace(), rules(object));
        let granted = plane.in_effect(account, namespace.as_deref(), &rules);
        granted.await.unwrap();
    }
}

/// The rules of a role; none of a binding.
pub fn rules(object: &DynamicObject) -> Vec<PolicyRule> {
    let rules = object.data.get("rules").cloned();
    rules.map_or_else(Vec::new, |rules| serde_json::from_value(rules).unwrap())
}

async fn create(client: &Client, object: &DynamicObject) {
    let kind = GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    match api.create(&PostParams::default(), object).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => panic!("{error}"),
    }
}
