//! What is made at build time: the BPF object, and the protocol between agents.

#[path = "build/programs.rs"]
mod programs;
#[path = "build/proto.rs"]
mod proto;

fn main() {
    if let Err(error) = programs::build().and_then(|()| proto::generate()) {
        // One `cargo::error` a line; the build fails with them and nothing else.
        for line in format!("{error:#}").lines() {
            println!("cargo::error={line}");
        }
    }
}
