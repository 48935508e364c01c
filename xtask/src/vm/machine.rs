//! A running virtual machine: booted by qemu, spoken to by ssh, ended by its process ids.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::fault::StaleBreakpoint;
use super::guest::Guest;
use super::rootfs::System;
use super::shell_quote::shell_quote;
use super::state::{self, State};
use crate::image::dist_dir;
use crate::process::{read, root, run, say, target_dir};
use crate::setup;

/// Emulation is slow, and the machine may be busy.
const BOOT: Duration = Duration::from_secs(180);
const MEMORY: &str = "6G";
/// So many lines of a log say what went wrong: a kernel's last words are some fifty.
const LAST: usize = 60;
/// Halves what emulation takes: what is emulated once is found again, if programs are where they were. All CPUs
/// have the same time stamps, which the kernel does not believe by itself; nobody attacks it.
const FAST: &str = "norandmaps tsc=reliable mitigations=off";

/// The machine that runs now: one at a time, as there is one of it per clone.
pub(super) struct Machine {
    directory: PathBuf,
    state: State,
}

impl Machine {
    /// The machine that runs.
    pub(super) fn running() -> Result<Self> {
        let directory = state::directory();
        let state = State::read(&directory)?;
        let machine = Self { directory, state };
        if !machine.lives("qemu") {
            bail!("the virtual machine has ended: `cargo xtask vm down`, then `up` again");
        }
        Ok(machine)
    }

    /// Its guest's name.
    pub(super) fn guest(&self) -> &str {
        &self.state.guest
    }

    /// Does its clock count instructions?
    pub(super) fn is_steady(&self) -> bool {
        self.state.steady
    }

    /// Has its kernel no parameters but those that every guest has?
    pub(super) fn is_usual(&self) -> bool {
        self.state.kernel_parameters.is_empty()
    }

    /// Boots `guest` and returns once commands can be run in it. The clock of a `steady` one counts
    /// instructions; `kernel_parameters` are added to those of every guest. Nothing of swarmlb runs before that: what
    /// goes wrong is the emulator's or this machine's, and is tried once more.
    pub(super) fn boot(
        guest: Guest,
        system: &System,
        steady: bool,
        kernel_parameters: &[String],
    ) -> Result<Self> {
        let boot = || Self::boot_once(guest, system, steady, kernel_parameters);
        boot().or_else(|error| {
            say(format_args!("{error:#}\nBooting it once more."));
            boot()
        })
    }

    fn boot_once(
        guest: Guest,
        system: &System,
        steady: bool,
        kernel_parameters: &[String],
    ) -> Result<Self> {
        let begin = Instant::now();
        let directory = state::directory();
        state::remove(&directory)?;
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let mut machine = Self {
            directory,
            state: State::new(guest.suite(), free_port()?, steady, kernel_parameters),
        };
        let booted = machine.start(system).and_then(|qemu| machine.wait(qemu));
        if let Err(error) = booted {
            let serial = machine.log("serial.log");
            machine.stop()?;
            return Err(error.context(format!("the guest said last:\n{serial}")));
        }
        say(format_args!(
            "Debian {guest} is up after {:.0} s.",
            begin.elapsed().as_secs_f32()
        ));
        Ok(machine)
    }

    fn start(&mut self, system: &System) -> Result<Child> {
        let key = self.key()?;
        let mut append = format!(
            "root=/dev/vda rw console=ttyS0 quiet panic=1 init=/swarmlb-init swarmlb.key={key}"
        );
        let mut qemu = Command::new("qemu-system-x86_64");
        if self.state.steady {
            // One instruction, one nanosecond: a CPU of 1 GHz, whatever else this machine does. And the
            // kernel as it is delivered.
            qemu.args(["-accel", "tcg", "-icount", "shift=0", "-smp", "1"]);
        } else {
            qemu.args(["-accel", "tcg,thread=multi", "-smp", "2"]);
            append = format!("{append} {FAST}");
        }
        for parameter in &self.state.kernel_parameters {
            append = format!("{append} {parameter}");
        }
        qemu.args(["-cpu", "max"])
            .args(["-m", MEMORY, "-display", "none", "-no-reboot"])
            .args(["-device", "virtio-rng-pci"])
            // Shared files need memory that their server can see.
            .args([
                "-object",
                &format!("memory-backend-memfd,id=memory,size={MEMORY},share=on"),
            ])
            .args(["-numa", "node,memdev=memory"]);
        for (tag, path) in shares() {
            let socket = self.share(&tag, &path)?;
            qemu.args([
                "-chardev",
                &format!("socket,id={tag},path={}", socket.display()),
            ]);
            qemu.args([
                "-device",
                &format!("vhost-user-fs-pci,chardev={tag},tag={tag}"),
            ]);
            append = format!("{append} swarmlb.share={tag}:{}", path.display());
        }
        let port = self.state.port;
        qemu.args([
            "-netdev",
            &format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        ])
        .args(["-device", "virtio-net-pci,netdev=net"])
        // What the guest writes to its own disk goes with it.
        .args([
            "-drive",
            &format!(
                "file={},format=raw,if=virtio,cache=unsafe,snapshot=on",
                system.disk.display()
            ),
        ])
        .args([
            "-serial",
            &format!("file:{}", self.directory.join("serial.log").display()),
        ])
        .arg("-kernel")
        .arg(&system.kernel)
        .arg("-initrd")
        .arg(&system.initrd)
        .args(["-append", &append]);
        self.spawn("qemu", &mut qemu)
    }

    /// Serves a directory of this machine to the guest; returns where.
    fn share(&mut self, tag: &str, path: &Path) -> Result<PathBuf> {
        let server = setup::virtiofsd()?;
        let socket = self.directory.join(format!("{tag}.sock"));
        let mut serve = Command::new(server);
        serve
            .arg(format!("--socket-path={}", socket.display()))
            .arg("-o")
            .arg(format!(
                "source={},sandbox=chroot,cache=auto",
                path.display()
            ));
        self.spawn(tag, &mut serve)?;
        let begin = Instant::now();
        while !socket.exists() {
            if begin.elapsed() > Duration::from_secs(10) {
                bail!(
                    "virtiofsd did not start: {}",
                    self.log(&format!("{tag}.log"))
                );
            }
            sleep(Duration::from_millis(20));
        }
        Ok(socket)
    }

    /// Starts a process of the machine, and writes down its id before anything else happens.
    fn spawn(&mut self, name: &str, command: &mut Command) -> Result<Child> {
        let log = File::create(self.directory.join(format!("{name}.log")))
            .context("cannot write the machine's logs")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        self.state.add(&self.directory, name, child.id())?;
        Ok(child)
    }

    /// A key of this machine's own; returns its public half.
    fn key(&self) -> Result<String> {
        let file = self.directory.join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "vm", "-f"]);
        run(keygen.arg(&file))?;
        let public = fs::read_to_string(file.with_extension("pub"))?;
        let key = public.split(' ').nth(1).context("ssh-keygen made no key")?;
        Ok(key.to_owned())
    }

    fn wait(&self, mut qemu: Child) -> Result<()> {
        let begin = Instant::now();
        loop {
            if read(self.ssh().arg("true")).is_ok() {
                return Ok(());
            }
            if let Some(status) = qemu.try_wait()? {
                bail!("qemu ended, {status}: {}", self.log("qemu.log"));
            }
            if begin.elapsed() > BOOT {
                bail!("the guest does not answer after {} s", BOOT.as_secs());
            }
            sleep(Duration::from_millis(500));
        }
    }

    /// Runs a command in the directory that this process is in.
    pub(super) fn run(&self, command: &[OsString]) -> Result<ExitCode> {
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        let mut line = Vec::from(b"cd ".as_slice());
        line.extend(shell_quote(here.as_os_str().as_bytes()));
        // A guest is slow: more connections wait for their answers at a time than sshd's 1,024 descriptors.
        line.extend(b" 2>/dev/null; ulimit -n 65536; exec env SWARMLB_SLOW=10".as_slice());
        // There is no compiler in the guest: its laboratory takes what was built here.
        for (name, path) in [
            ("SWARMLB_DIST", dist_dir()),
            ("SWARMLB_WHOAMI", dist_dir().join("whoami")),
        ] {
            line.extend(format!(" {name}=").as_bytes());
            line.extend(shell_quote(path.as_os_str().as_bytes()));
        }
        for word in command {
            line.push(b' ');
            line.extend(shell_quote(word.as_bytes()));
        }
        let status = self.ssh().arg(OsString::from_vec(line)).status();
        let status = status.context("cannot start ssh")?;
        if !self.lives("qemu") {
            let said = self.log("serial.log");
            let ended =
                anyhow!("the virtual machine ended meanwhile; its kernel said last:\n{said}");
            return Err(if StaleBreakpoint::is_in(&said) {
                ended.context(StaleBreakpoint)
            } else {
                ended
            });
        }
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(255)))
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-q",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "ConnectTimeout=60",
            "-o",
            "BatchMode=yes",
            "-F",
            "none",
            "-i",
        ])
        .arg(self.directory.join("key"))
        .args(["-p", &self.state.port.to_string(), "root@127.0.0.1"]);
        ssh
    }

    /// Ends it and removes what belonged to it.
    pub(super) fn stop(self) -> Result<()> {
        state::remove(&self.directory)?;
        say("The virtual machine is down.");
        Ok(())
    }

    fn lives(&self, name: &str) -> bool {
        self.state.lives(name)
    }

    fn log(&self, name: &str) -> String {
        let text = fs::read(self.directory.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(LAST).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Directories that the guest sees at their paths on the host: the repository, and cargo's target directory.
fn shares() -> Vec<(String, PathBuf)> {
    let mut paths = vec![root().to_owned()];
    if !target_dir().starts_with(root()) {
        paths.push(target_dir());
    }
    (0..)
        .map(|number| format!("share{number}"))
        .zip(paths)
        .collect()
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on the loopback")?;
    Ok(listener.local_addr()?.port())
}
