//! Entry.
fn main() -> anyhow::Result<()> {
    let _kernel = agent::kernel::bpf::BpfKernel::load(std::path::Path::new("/sys/fs/bpf"))?;
    Ok(())
}
