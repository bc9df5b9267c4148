//! What users do.

use anyhow::Context;
use industrydata_operator::api::{GraphConnection, OutboundProvisioningFlowSet, ProvisioningFlow};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::model::{self, Declared, Model, Place};
use crate::scene::{NAMESPACE, Scene};

/// Users, and what they have declared so far.
pub struct Deeds<'a> {
    pub model: Model,
    scene: &'a Scene,
    sets: Api<DynamicObject>,
    flows: Api<DynamicObject>,
    /// Counts the tokens, so that each is new.
    tokens: usize,
}

impl<'a> Deeds<'a> {
    pub fn new(scene: &'a Scene, sets: usize) -> Self {
        Self {
            model: Model::new(sets),
            scene,
            sets: api::<OutboundProvisioningFlowSet>(scene),
            flows: api::<ProvisioningFlow>(scene),
            tokens: 0,
        }
    }

    /// Declares the connection, and everything that has a place.
    pub async fn declare_all(&mut self) -> anyhow::Result<()> {
        let connection = json!({
            "tenantId": "11111111-2222-4333-8444-555555555555",
            "clientId": "66666666-7777-4888-8999-000000000000",
            "credential": { "clientSecret": {
                "secretKeyRef": { "name": "contoso", "key": "clientSecret" },
                "expiresAt": "2100-01-01T00:00:00Z",
            } },
            "pollInterval": "2s",
            "requestBudget": { "perSecond": 200, "burst": 400 },
        });
        self.write_secret("contoso", &json!({ "clientSecret": "simulator-secret" }))
            .await?;
        for number in 0..model::SECRETS {
            self.write_password(number).await?;
        }
        let connections = api::<GraphConnection>(self.scene);
        create(&connections, "GraphConnection", "contoso", &connection).await?;
        for set in 0..self.model.sets.len() {
            self.create_set(set).await?;
            for flow in 4 * set..4 * set + 4 {
                self.create_flow(flow).await?;
            }
        }
        Ok(())
    }

    /// Does one thing at random, and says what; `None`: there was nothing to do it to.
    pub async fn one(&mut self, dice: &mut StdRng) -> anyhow::Result<Option<String>> {
        let set = dice.random_range(0..self.model.sets.len());
        let flow = dice.random_range(0..self.model.flows.len());
        match dice.random_range(0..100) {
            0..25 => self.edit_flow(flow).await,
            25..40 => self.reset_flow(flow).await,
            40..50 => self.delete_flow(flow).await,
            50..65 => match absent(&self.model.flows, dice) {
                Some(flow) => self.create_flow(flow).await,
                None => Ok(None),
            },
            65..72 => self.edit_set(set).await,
            72..75 => self.delete_set(set).await,
            75..82 => match absent(&self.model.sets, dice) {
                Some(set) => self.create_set(set).await,
                None => Ok(None),
            },
            82..86 => {
                self.change_password(dice.random_range(0..model::SECRETS))
                    .await
            }
            86..96 => label(&self.flows, &self.model.flows[flow], dice.random()).await,
            _ => label(&self.sets, &self.model.sets[set], dice.random()).await,
        }
    }

    /// What comes now is judged by itself.
    pub fn next_round(&mut self) {
        self.model.tokens.clear();
        self.model.round = self.scene.requests();
    }

    /// Asks for one that failed to be tried again now, as a user does who does not want to wait.
    pub async fn ask_again(&self, is_set: bool, name: &str) -> anyhow::Result<()> {
        let now = format!("{:?}", std::time::SystemTime::now());
        let annotations =
            json!({ "metadata": { "annotations": { "industrydata.dev/requested-at": now } } });
        let api = if is_set { &self.sets } else { &self.flows };
        let asked = api
            .patch(name, &PatchParams::default(), &Patch::Merge(annotations))
            .await;
        match asked {
            // One that was being deleted.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            asked => asked
                .map(drop)
                .with_context(|| format!("failed to ask for {name}")),
        }
    }

    async fn create_set(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let place = &mut self.model.sets[number];
        let spec = model::set_spec(&place.name, 0);
        let kind = "OutboundProvisioningFlowSet";
        place.declared = create(&self.sets, kind, &place.name, &spec).await?;
        Ok(place
            .declared
            .as_ref()
            .map(|_| format!("create {}", place.name)))
    }

    async fn create_flow(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        // Flows of a set that is being deleted would keep it for ever.
        if self.model.sets[number / 4].declared.is_none() {
            return Ok(None);
        }
        let place = &mut self.model.flows[number];
        let spec = model::flow_spec(number, 0);
        place.declared = create(&self.flows, "ProvisioningFlow", &place.name, &spec).await?;
        Ok(place
            .declared
            .as_ref()
            .map(|_| format!("create {}", place.name)))
    }

    async fn edit_set(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let place = &mut self.model.sets[number];
        let Some(declared) = &mut place.declared else {
            return Ok(None);
        };
        declared.variant += 1;
        let spec = model::set_spec(&place.name, declared.variant);
        patch(&self.sets, &place.name, &json!({ "spec": spec })).await?;
        Ok(Some(format!("edit {} to {}", place.name, declared.variant)))
    }

    async fn edit_flow(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let place = &mut self.model.flows[number];
        let Some(declared) = &mut place.declared else {
            return Ok(None);
        };
        declared.variant += 1;
        let spec = model::flow_spec(number, declared.variant);
        patch(&self.flows, &place.name, &json!({ "spec": spec })).await?;
        Ok(Some(format!("edit {} to {}", place.name, declared.variant)))
    }

    async fn reset_flow(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let place = &mut self.model.flows[number];
        let Some(declared) = &mut place.declared else {
            return Ok(None);
        };
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        let tokens = self.model.tokens.entry(declared.uid.clone()).or_default();
        tokens.push(token.clone());
        let done = format!("reset {} with {token}", place.name);
        let spec = json!({ "spec": { "resetToken": token } });
        declared.token = Some(token);
        patch(&self.flows, &place.name, &spec).await?;
        Ok(Some(done))
    }

    async fn delete_flow(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let before = self.scene.requests();
        let place = &mut self.model.flows[number];
        let Some(declared) = place.declared.take() else {
            return Ok(None);
        };
        self.model.deleted.insert(declared.uid, before);
        delete(&self.flows, &place.name).await?;
        Ok(Some(format!("delete {}", place.name)))
    }

    /// Deletes a set and its flows, as one does who deletes a directory of manifests.
    async fn delete_set(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        let before = self.scene.requests();
        let place = &mut self.model.sets[number];
        let Some(declared) = place.declared.take() else {
            return Ok(None);
        };
        self.model.deleted.insert(declared.uid, before);
        let name = place.name.clone();
        delete(&self.sets, &name).await?;
        for flow in 4 * number..4 * number + 4 {
            self.delete_flow(flow).await?;
        }
        Ok(Some(format!("delete {name} with its flows")))
    }

    async fn change_password(&mut self, number: usize) -> anyhow::Result<Option<String>> {
        self.model.passwords[number] += 1;
        self.write_password(number).await?;
        Ok(Some(format!(
            "change the password in {}",
            model::secret(number)
        )))
    }

    async fn write_password(&self, number: usize) -> anyhow::Result<()> {
        let password = model::password(number, self.model.passwords[number]);
        self.write_secret(&model::secret(number), &json!({ "staff": password }))
            .await
    }

    async fn write_secret(&self, name: &str, data: &Value) -> anyhow::Result<()> {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
        let parameters = PatchParams::apply("user").force();
        let written = api::<Secret>(self.scene)
            .patch(name, &parameters, &Patch::Apply(secret))
            .await;
        written
            .map(drop)
            .with_context(|| format!("failed to write {name}"))
    }
}

fn absent(places: &[Place], dice: &mut StdRng) -> Option<usize> {
    let absent = |number: &usize| places[*number].declared.is_none();
    let absent: Vec<usize> = (0..places.len()).filter(absent).collect();
    absent.choose(dice).copied()
}

fn api<K>(scene: &Scene) -> Api<DynamicObject>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced_with(
        scene.client.clone(),
        NAMESPACE,
        &ApiResource::erase::<K>(&()),
    )
}

/// `None`: one of this name is still being deleted.
async fn create(
    api: &Api<DynamicObject>,
    kind: &str,
    name: &str,
    spec: &Value,
) -> anyhow::Result<Option<Declared>> {
    let object = json!({ "apiVersion": "industrydata.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let object = serde_json::from_value(object)?;
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
        created => {
            let created = created.with_context(|| format!("failed to create {name}"))?;
            Ok(Some(Declared {
                uid: created.uid().unwrap_or_default(),
                variant: 0,
                token: None,
            }))
        }
    }
}

async fn patch(api: &Api<DynamicObject>, name: &str, change: &Value) -> anyhow::Result<()> {
    let patched = api
        .patch(name, &PatchParams::default(), &Patch::Merge(change))
        .await;
    patched
        .map(drop)
        .with_context(|| format!("failed to change {name}"))
}

async fn delete(api: &Api<DynamicObject>, name: &str) -> anyhow::Result<()> {
    let deleted = api.delete(name, &DeleteParams::default()).await;
    deleted
        .map(drop)
        .with_context(|| format!("failed to delete {name}"))
}

async fn label(
    api: &Api<DynamicObject>,
    place: &Place,
    number: u32,
) -> anyhow::Result<Option<String>> {
    if place.declared.is_none() {
        return Ok(None);
    }
    let labels = json!({ "metadata": { "labels": { "number": number.to_string() } } });
    patch(api, &place.name, &labels).await?;
    Ok(Some(format!("label {}", place.name)))
}
