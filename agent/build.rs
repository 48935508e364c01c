//! What is made at build time.

#[path = "build/proto.rs"]
mod proto;

fn main() -> anyhow::Result<()> {
    proto::generate()
}
