//! The handle's methods for credentials, tokens and sign-ins.

use serde_json::Value;

use crate::{
    application::{ClientSecret, FederatedCredential},
    credentials,
    device_codes::{Decision, PendingDeviceCode},
    error::Error,
    refresh_tokens::Revocation,
    simulator::{Simulator, refused},
};

impl Simulator {
    /// Makes `secret` the only secret of an application. Tokens that are out stay good.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn rotate_secret(&self, client_id: &str, secret: &str) -> Result<(), Error> {
        credentials::rotate_secret(&mut self.world.lock(), client_id, secret).map_err(refused)
    }

    /// Makes these the only secrets of an application. Tokens that are out stay good.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_secrets(&self, client_id: &str, secrets: Vec<ClientSecret>) -> Result<(), Error> {
        credentials::set_secrets(&mut self.world.lock(), client_id, secrets).map_err(refused)
    }

    /// Makes these the only federated credentials of an application.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_federated_credentials(
        &self,
        client_id: &str,
        credentials: Vec<FederatedCredential>,
    ) -> Result<(), Error> {
        let mut world = self.world.lock();
        credentials::set_federated_credentials(&mut world, client_id, credentials).map_err(refused)
    }

    /// Adds a federated credential to those of an application.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn add_federated_credential(
        &self,
        client_id: &str,
        credential: FederatedCredential,
    ) -> Result<(), Error> {
        let mut world = self.world.lock();
        credentials::add_federated_credential(&mut world, client_id, credential).map_err(refused)
    }

    /// Replaces the keys of an issuer in all federated credentials of an application.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application or no credential of this issuer.
    pub fn set_jwks(&self, client_id: &str, issuer: &str, jwks: &Value) -> Result<(), Error> {
        credentials::set_jwks(&mut self.world.lock(), client_id, issuer, jwks).map_err(refused)
    }

    /// Sets whether an application may act for a user without a secret or an assertion.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_public_client(&self, client_id: &str, public: bool) -> Result<(), Error> {
        credentials::set_public_client(&mut self.world.lock(), client_id, public).map_err(refused)
    }

    /// Registers certificates, in PEM, in place of those that an application has.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_certificates(&self, client_id: &str, pems: Vec<String>) -> Result<(), Error> {
        credentials::set_certificates(&mut self.world.lock(), client_id, pems).map_err(refused)
    }

    /// Sets what an application may do. Tokens that are out keep what they could.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_permissions(&self, client_id: &str, permissions: Vec<String>) -> Result<(), Error> {
        credentials::set_permissions(&mut self.world.lock(), client_id, permissions)
            .map_err(refused)
    }

    /// Makes every access token that is out useless.
    pub fn revoke_tokens(&self) {
        self.world.lock().directory.revoke_all();
    }

    /// Refresh tokens of an application that can be used, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn refresh_tokens(&self, client_id: &str) -> Result<Vec<String>, Error> {
        credentials::refresh_tokens(&self.world.lock(), client_id).map_err(refused)
    }

    /// Makes these the only refresh tokens of an application, each for everything that it may do.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn set_refresh_tokens(&self, client_id: &str, texts: Vec<String>) -> Result<(), Error> {
        credentials::set_refresh_tokens(&mut self.world.lock(), client_id, texts).map_err(refused)
    }

    /// Makes every refresh token of an application that is out useless. The reason determines how it is refused.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if there is no such application.
    pub fn revoke_refresh_tokens(&self, client_id: &str, why: Revocation) -> Result<(), Error> {
        credentials::revoke_refresh_tokens(&mut self.world.lock(), client_id, why).map_err(refused)
    }

    /// Sign-ins that wait for a person, oldest first.
    #[must_use]
    pub fn device_codes(&self) -> Vec<PendingDeviceCode> {
        credentials::device_codes(&self.world.lock())
    }

    /// Signs in as the person who entered this user code.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if no such code is pending, and with 409 if a scope has no consent.
    pub fn approve_device_code(&self, user_code: &str) -> Result<(), Error> {
        credentials::decide(&mut self.world.lock(), user_code, Decision::Approve).map_err(refused)
    }

    /// Denies the request, as the person who entered this user code.
    ///
    /// # Errors
    ///
    /// [`Error::Edit`] with status 404 if no such code is pending.
    pub fn deny_device_code(&self, user_code: &str) -> Result<(), Error> {
        credentials::decide(&mut self.world.lock(), user_code, Decision::Deny).map_err(refused)
    }
}
