//! The server behind a proxy.

use std::io;
use std::sync::Arc;

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a proxy forwards to: an origin, and how to trust it.
#[derive(Clone)]
pub struct Upstream {
    authority: Authority,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Upstream")
            .field("authority", &self.authority)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Upstream {
    /// A server that speaks plain http, such as the simulator.
    ///
    /// # Errors
    ///
    /// [`Error::Upstream`] if `url` is not `http://` with a host and a port.
    pub fn http(url: &str) -> Result<Self, Error> {
        let authority = authority(url, &Scheme::HTTP)?;
        Ok(Self {
            authority,
            tls: None,
        })
    }

    /// A server that speaks https and has a certificate of `authority_pem`.
    ///
    /// # Errors
    ///
    /// [`Error::Upstream`] if `url` is not `https://` with a host and a port, or if the authority
    /// cannot be used.
    pub fn https(url: &str, authority_pem: &[u8]) -> Result<Self, Error> {
        let authority = authority(url, &Scheme::HTTPS)?;
        let tls = tls(&authority, authority_pem).map_err(|source| Error::Upstream {
            url: url.to_owned(),
            source,
        })?;
        Ok(Self {
            authority,
            tls: Some(tls),
        })
    }

    /// Sends a request over a connection of its own, which ends with the answer.
    ///
    /// A pool would repeat requests automatically on a connection that was idle for long.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, BoxError> {
        let stream = TcpStream::connect(self.authority.as_str()).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => over(stream, request).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                over(stream, request).await
            }
        }
    }
}

/// Sends the one request of a connection.
pub(crate) async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when both the sender and the answer's body are gone. Its error is also that of the body.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

fn authority(url: &str, scheme: &Scheme) -> Result<Authority, Error> {
    let uri: Option<Uri> = url.parse().ok();
    let uri = uri.filter(|uri| uri.scheme() == Some(scheme));
    let authority = uri.and_then(|uri| uri.into_parts().authority);
    let authority = authority.filter(|authority| authority.port().is_some());
    authority.ok_or_else(|| Error::Upstream {
        url: url.to_owned(),
        source: format!("it is not {scheme}:// with a host and a port").into(),
    })
}

fn tls(authority: &Authority, pem: &[u8]) -> Result<(TlsConnector, ServerName<'static>), BoxError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(io::Error::other)?)?;
    }
    if roots.is_empty() {
        return Err("no certificate of its authority is known".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(authority.host().to_owned())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
