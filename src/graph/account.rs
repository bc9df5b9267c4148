use super::{Budget, Limits, Tenant};
use std::sync::Arc;
/// STUB
#[derive(Clone, Debug)]
pub struct Account {
    pub tenant: Tenant,
    pub client_id: String,
    pub budget: Arc<Budget>,
}
impl Account {
    /// STUB
    pub fn new(tenant: Tenant, client_id: String, limits: Limits) -> Self {
        Self {
            tenant,
            client_id,
            budget: Arc::new(Budget::new(limits)),
        }
    }
    /// STUB
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}
