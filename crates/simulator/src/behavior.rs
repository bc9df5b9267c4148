//! One switch for each question about the service that its documentation leaves open.
//!
//! All can be changed while the simulator runs. The defaults are the likelier answer, or the stricter one.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{readiness::ReadinessScript, throttle::RateLimit};

/// The answer to something that the service will not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `error.code`.
    pub code: String,
}

impl Refusal {
    /// A refusal with this status and code.
    #[must_use]
    pub fn new(status: u16, code: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
        }
    }
}

/// What to do with something that may or may not be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reception {
    /// It has its effect.
    Accept,
    /// It is as if it weren't there.
    Ignore,
    /// 400.
    Refuse,
}

/// What becomes of the inner properties of a complex property that a PATCH does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PatchComplex {
    /// They are gone; the complex property must be complete.
    Replace,
    /// They stay. Collections are replaced all the same.
    Merge,
}

/// The success answer of a PATCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PatchAnswer {
    /// 204 without a body.
    NoContent,
    /// 200 with the object.
    Object,
}

/// What a reset does to readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResetReadiness {
    /// `notReady`, and the script from its start.
    Restart,
    /// Nothing.
    Keep,
}

/// The order in which `configurations` come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigurationOrder {
    /// Backwards, as in the documented examples.
    Reversed,
    /// As sent.
    AsSent,
}

/// What to do with each OData query option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct QueryOptions {
    /// `$top`: caps the size of a page.
    pub top: Reception,
    /// `$skip`
    pub skip: Reception,
    /// `$select`
    pub select: Reception,
    /// `$expand`; only `provisioningFlows`, and only on sets.
    pub expand: Reception,
    /// `$count=true`
    pub count: Reception,
    /// `$filter`; only `property eq 'text'`.
    pub filter: Reception,
    /// `$orderby`; only one property.
    pub orderby: Reception,
    /// `$search`; finds a part of a display name.
    pub search: Reception,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            top: Reception::Accept,
            skip: Reception::Accept,
            select: Reception::Accept,
            expand: Reception::Accept,
            count: Reception::Accept,
            filter: Reception::Refuse,
            orderby: Reception::Refuse,
            search: Reception::Refuse,
        }
    }
}

/// Upper limits that the service may have. None: no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Characters of a set's `displayName`.
    pub display_name: Option<usize>,
    /// Values in a filter's `in`.
    pub filter_values: Option<usize>,
    /// User `configurations`.
    pub configurations: Option<usize>,
    /// Provisioning flow sets.
    pub flow_sets: Option<usize>,
}

/// The switches. Each field is a question about the real service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question with two answers"
)]
pub struct Behavior {
    /// May a token without a user write? Default: no, because the permission registry of Graph, which Microsoft generates its
    /// newer pages from, lists every write as delegated only. Some pages still list it for applications as well.
    pub application_writes: bool,
    /// How is the second flow of a type in a set refused? None: it is created. Default 409.
    pub second_flow_of_type: Option<Refusal>,
    /// How is a display name refused that another set has? None (default): it is accepted.
    pub duplicate_set_name: Option<Refusal>,
    /// How is a school refused that another set's filter names? None (default): it is accepted.
    pub overlapping_filter: Option<Refusal>,
    /// How is the deletion of a set refused that still has flows? None (default): they go with it.
    pub delete_set_with_flows: Option<Refusal>,
    /// How is a deletion refused during a run? None (default): it is not.
    pub delete_during_run: Option<Refusal>,
    /// In which readiness can a flow not be deleted (409)? Default: in none.
    pub undeletable_readiness: Vec<String>,
    /// Are flows inside the POST of a set created with it? Default: 400.
    pub deep_insert: Reception,
    /// Does PATCH merge or replace inside a complex property? Default: replace.
    pub patch_complex: PatchComplex,
    /// Must the PATCH of a flow say its `@odata.type`? Default: yes.
    pub patch_requires_type: bool,
    /// Is a PATCH answered by 204 or by 200 with the object? Default: 204.
    pub patch_answer: PatchAnswer,
    /// Does a configuration that is sent without a password keep the old one? Default: no.
    pub omitted_password_keeps: bool,
    /// What of `id`, dates and `readinessStatus` in a body? Default: ignored.
    pub read_only_fields: Reception,
    /// What of properties that no type has? Default: 400, as the types are closed.
    pub unknown_fields: Reception,
    /// What of a filter with an empty `in`? Default: accepted. `Ignore` takes it for no filter.
    pub empty_filter: Reception,
    /// What of `markAllStudentsAsMinors`, which was to go in October 2025? Default: ignored, never answered.
    pub mark_all_students_as_minors: Reception,
    /// Are ids compared letter by letter? Default: no.
    pub case_sensitive_ids: bool,
    /// Are words of an enum compared letter by letter? Default: yes.
    pub case_sensitive_words: bool,
    /// Are names in a path compared letter by letter, but for the two documented spellings of the sets? Default: no.
    pub case_sensitive_paths: bool,
    /// Are absent properties answered as null? Default: yes.
    pub nulls_shown: bool,
    /// In which order do `configurations` come back?
    pub configuration_order: ConfigurationOrder,
    /// How does readiness of a new flow go on? Default: ready after three seconds.
    pub readiness: ReadinessScript,
    /// Does a run make every flow that is `notReady` what its script ends with? Default: no.
    pub run_settles_readiness: bool,
    /// What does a reset do to readiness? Default: it starts again.
    pub reset_readiness: ResetReadiness,
    /// How is a reset refused during a run? None (default): it is not.
    pub reset_during_run: Option<Refusal>,
    /// How much time must pass between two resets of a flow (else 429)? Default: none.
    #[serde(with = "crate::seconds")]
    pub reset_interval: Duration,
    /// Which query options are supported?
    pub query: QueryOptions,
    /// How many items does a page hold? Default: 100.
    pub page_size: usize,
    /// Is there an empty page after each page that is not the last? Default: no.
    pub empty_pages: bool,
    /// For how long do reads not see a write? Default: not at all.
    #[serde(with = "crate::seconds")]
    pub visibility_delay: Duration,
    /// How many requests are allowed? None (default): any number.
    pub rate_limit: Option<RateLimit>,
    /// Which `error.code` goes with a status, where the default is not wanted?
    pub codes: BTreeMap<u16, String>,
    /// Which limits are there?
    pub limits: Limits,
    /// How long does a run take? Default: ten seconds.
    #[serde(with = "crate::seconds")]
    pub run_length: Duration,
    /// How long does an access token live? Default: 3,599 seconds.
    #[serde(with = "crate::seconds")]
    pub token_lifetime: Duration,
    /// Is an assertion of a certificate refused if its identifier has been used, or if it has none? Default: yes.
    pub assertion_once: bool,
    /// Is a refresh token void once it has been used? Default: no.
    pub refresh_token_once: bool,
    /// How long can a refresh token be used? Default: 90 days.
    #[serde(with = "crate::seconds")]
    pub refresh_token_lifetime: Duration,
    /// Are access tokens random text instead of JSON Web Tokens? Default: no.
    pub opaque_tokens: bool,
    /// Which tenant do tokens name, if not the one that they are for? Default: the one that they are for.
    pub token_tenant: Option<String>,
    /// How long does a client wait between two polls with a device code? Default: five seconds.
    #[serde(with = "crate::seconds")]
    pub device_code_interval: Duration,
    /// How long is a device code valid? Default: 15 minutes.
    #[serde(with = "crate::seconds")]
    pub device_code_lifetime: Duration,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            application_writes: false,
            second_flow_of_type: Some(Refusal::new(409, "Conflict")),
            duplicate_set_name: None,
            overlapping_filter: None,
            delete_set_with_flows: None,
            delete_during_run: None,
            undeletable_readiness: Vec::new(),
            deep_insert: Reception::Refuse,
            patch_complex: PatchComplex::Replace,
            patch_requires_type: true,
            patch_answer: PatchAnswer::NoContent,
            omitted_password_keeps: false,
            read_only_fields: Reception::Ignore,
            unknown_fields: Reception::Refuse,
            empty_filter: Reception::Accept,
            mark_all_students_as_minors: Reception::Ignore,
            case_sensitive_ids: false,
            case_sensitive_words: true,
            case_sensitive_paths: false,
            nulls_shown: true,
            configuration_order: ConfigurationOrder::Reversed,
            readiness: ReadinessScript::default(),
            run_settles_readiness: false,
            reset_readiness: ResetReadiness::Restart,
            reset_during_run: None,
            reset_interval: Duration::ZERO,
            query: QueryOptions::default(),
            page_size: 100,
            empty_pages: false,
            visibility_delay: Duration::ZERO,
            rate_limit: None,
            codes: BTreeMap::new(),
            limits: Limits::default(),
            run_length: Duration::from_secs(10),
            token_lifetime: Duration::from_secs(3599),
            assertion_once: true,
            refresh_token_once: false,
            refresh_token_lifetime: Duration::from_hours(90 * 24),
            opaque_tokens: false,
            token_tenant: None,
            device_code_interval: Duration::from_secs(5),
            device_code_lifetime: Duration::from_mins(15),
        }
    }
}
