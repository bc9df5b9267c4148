//! How a simulator starts.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{application::Tenant, behavior::Behavior, tls::Tls};

/// How a simulator starts. The default listens on free loopback ports, is calm, and knows one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where the service and the token endpoint listen. Port 0: a free one.
    pub service_address: SocketAddr,
    /// Where the control API listens. Port 0: a free one. It has no authentication.
    pub control_address: SocketAddr,
    /// Source of ids and, in hostile mode, of trouble.
    pub seed: u64,
    /// Whether faults and quirks happen by themselves.
    pub hostile: bool,
    /// How likely a request meets each of a fault, a quirk and (writes only) a visibility delay in hostile mode.
    pub hostile_rate: f64,
    /// Certificate and key of the service's port. None: http.
    pub tls: Option<Tls>,
    /// Tenants, applications and their credentials.
    pub tenants: Vec<Tenant>,
    /// Answers to the questions that the documentation leaves open.
    pub behavior: Behavior,
}

impl Options {
    /// With writes allowed to tokens without a user, for a client that signs in with a secret and writes.
    #[must_use]
    pub fn with_application_writes(mut self) -> Self {
        self.behavior.application_writes = true;
        self
    }
}

/// Default of [`Options::hostile_rate`].
pub const DEFAULT_HOSTILE_RATE: f64 = 0.1;

impl Default for Options {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            service_address: loopback,
            control_address: loopback,
            seed: rand::random(),
            hostile: false,
            hostile_rate: DEFAULT_HOSTILE_RATE,
            tls: None,
            tenants: vec![Tenant::default()],
            behavior: Behavior::default(),
        }
    }
}
