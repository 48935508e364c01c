//! Generates the messages of `proto/router.proto`, without a protoc binary.

fn main() -> anyhow::Result<()> {
    let files = protox::compile(["../proto/router.proto"], ["../proto"])?;
    prost_build::Config::new()
        .btree_map([".swarmlb.router.v1"])
        .compile_fds(files)?;
    println!("cargo::rerun-if-changed=../proto/router.proto");
    Ok(())
}
