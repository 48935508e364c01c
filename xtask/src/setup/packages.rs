//! packages.
use anyhow::Result;
pub(super) fn ensure() -> Result<()> { Ok(()) }
