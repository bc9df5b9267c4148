//! Builds the operator's container image, without a container engine: one static program on an empty base, as an OCI
//! image layout, with a bill of materials. The same commit gives the same bytes, wherever it is built.
//!
//! ```no_run
//! # fn example() -> anyhow::Result<()> {
//! let spec = industrydata_image::ImageSpec {
//!     source: ".".into(),
//!     output: "target/image".into(),
//!     revision: "0123abc".into(),
//!     created: "2026-01-01T00:00:00Z".parse()?,
//! };
//! let image = spec.build()?;
//! println!("{} in {}", image.digest, image.layout.display());
//! # Ok(())
//! # }
//! ```

mod commit;
mod compile;
mod image;
mod layout;
mod sbom;
mod verify;

pub use self::{
    commit::Commit,
    image::{Image, ImageSpec, PROGRAM, USER},
    layout::sha256,
    verify::verify,
};
