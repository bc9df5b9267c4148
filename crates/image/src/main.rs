//! Builds the operator's container image, and tells its digest.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use industrydata_image::{Commit, ImageSpec, verify};
use jiff::Timestamp;

/// Build the operator's container image, without a container engine: an OCI image layout with a bill of materials
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The source tree
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    source: PathBuf,
    /// Where the image is written, and what is needed to build it again sooner
    #[arg(long, value_name = "DIRECTORY", default_value = "target/image")]
    output: PathBuf,
    /// The commit that the image says it is of. Without it, Git is asked
    #[arg(long, value_name = "COMMIT", requires = "created")]
    revision: Option<String>,
    /// The time that the image says it is of, in seconds since 1970. Without it, that of the commit
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", value_parser = seconds)]
    created: Option<Timestamp>,
    /// Build a second time, from a fresh clone in another place, and fail if the image is another
    #[arg(long)]
    verify: bool,
}

fn seconds(text: &str) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_second(text.parse()?)?)
}

fn main() -> anyhow::Result<()> {
    let Arguments {
        source,
        output,
        revision,
        created,
        verify: twice,
    } = Arguments::parse();
    let commit = match (revision, created) {
        (Some(revision), Some(created)) => Commit { revision, created },
        (_, created) => Commit::of(&source)?.at(created),
    };
    let spec = ImageSpec {
        source,
        output,
        revision: commit.revision,
        created: commit.created,
    };
    let image = spec.build()?;
    if twice {
        verify(&spec, &image)?;
    }
    writeln!(
        std::io::stdout(),
        "{}  {}",
        image.digest,
        image.layout.display()
    )?;
    Ok(())
}
