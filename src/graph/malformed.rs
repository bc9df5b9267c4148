//! Why a response could not be parsed.

use thiserror::Error;

/// Reason why a response could not be parsed. It does not contain the text of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A 2xx status that is not documented for this request.
    #[error("an unexpected status of success")]
    Status,
    /// The content type is not that of JSON.
    #[error("not sent as JSON")]
    ContentType,
    /// An error body with a 2xx status.
    #[error("an error under a status of success")]
    Error,
    /// Not JSON at all.
    #[error("not JSON")]
    Syntax,
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// `id` is missing, or cannot be an id.
    #[error("no usable id")]
    Id,
    /// An object is too large to be kept.
    #[error("an object that is too large")]
    Size,
    /// `value` is missing, or not a list.
    #[error("no list of values")]
    Values,
    /// The response of the authority contains no usable token.
    #[error("no access token")]
    Token,
    /// The access token was issued by another tenant.
    #[error("an access token of another tenant")]
    Tenant,
    /// `@odata.nextLink` is not text.
    #[error("@odata.nextLink is not text")]
    NextLink,
}
