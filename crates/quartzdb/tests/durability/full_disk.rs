//! A disk that runs full: writes are refused, reads go on, and it mends by itself.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::process::{Server, Setup, check};

/// A file system of a few megabytes in memory; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
    _folder: TempDir,
}

impl SmallDisk {
    /// `None` where nothing can be mounted.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={megabytes}m"))
            .arg("quartz-test")
            .arg(&path)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                path,
                _folder: folder,
            }),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                println!("NOT TESTED, no small disk: {}", why.trim());
                None
            }
            Err(error) => {
                println!("NOT TESTED, no small disk: mount: {error}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may have left files open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut piece = vec![1; 1 << 20];
    while !piece.is_empty() {
        match file.write(&piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                piece.truncate(piece.len() / 2);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What was acknowledged: values by number.
#[derive(Default)]
struct Writer {
    acknowledged: Vec<usize>,
    next: usize,
}

fn value(number: usize) -> String {
    format!("{number:06}").repeat(2_000)
}

fn path(number: usize) -> String {
    format!("/v1/namespaces/n/kv/{number}")
}

impl Writer {
    /// Writes once; whether it was acknowledged. Anything but 201 must say that the disk is full.
    fn write(&mut self, server: &Server) -> bool {
        let number = self.next;
        self.next += 1;
        let reply = server.send("PUT", &path(number), &value(number));
        if reply.status == 201 {
            self.acknowledged.push(number);
            return true;
        }
        assert_eq!(reply.status, 507, "{reply:?}");
        assert!(reply.head.contains("application/problem+json"), "{reply:?}");
        assert!(
            reply.body.contains("\"code\":\"storage_full\""),
            "{reply:?}"
        );
        false
    }

    fn write_until_full(&mut self, server: &Server) {
        for _ in 0..20_000 {
            if !self.write(server) {
                return;
            }
        }
        panic!("the disk never ran full");
    }

    /// Everything acknowledged reads right; what was refused is not there.
    fn check(&self, server: &Server) {
        for number in 0..self.next {
            let reply = server.send("GET", &path(number), "");
            if self.acknowledged.contains(&number) {
                assert_eq!(reply.status, 200, "{number}: {reply:?}");
                assert_eq!(reply.body, value(number), "{number}");
            } else {
                assert_eq!(reply.status, 404, "{number} was refused: {reply:?}");
            }
        }
        assert_eq!(server.send("GET", "/v1/namespaces/n", "").status, 200);
    }
}

/// Fills, frees and fills again; kills the server while the disk is full, and after.
fn run(min_free: &str) {
    let Some(disk) = SmallDisk::mount(128) else {
        return;
    };
    let foreign = disk.path.join("foreign");
    let setup = Setup::new(disk.path.join("data"))
        .arg("--min-free")
        .arg(min_free);
    let mut server = setup.start();
    let mut writer = Writer::default();
    for _ in 0..200 {
        assert!(writer.write(&server));
    }
    for round in 0..2 {
        fill(&foreign);
        writer.write_until_full(&server);
        for _ in 0..5 {
            writer.write(&server);
        }
        writer.check(&server);
        if round == 1 {
            let ended = server.kill();
            assert!(!ended.stderr.is_empty());
            // Reads must go on although nothing can be written, if the server can start at all.
            match setup.try_start() {
                Ok(started) => {
                    writer.check(&started);
                    started.kill();
                }
                Err(ended) => {
                    assert!(ended.stderr.contains("no space left"), "{}", ended.stderr);
                    println!("--min-free {min_free}: no start while the disk is full");
                }
            }
            fs::remove_file(&foreign).unwrap();
            server = setup.start();
        } else {
            fs::remove_file(&foreign).unwrap();
        }
        for _ in 0..50 {
            assert!(writer.write(&server), "there is space again");
        }
        writer.check(&server);
    }
    server.kill();
    let server = setup.start();
    writer.check(&server);
    server.stop();
    let checked = check(&setup.data);
    assert!(checked.status.success(), "{checked:?}");
    println!(
        "--min-free {min_free}: {} writes acknowledged, {} refused, all as told",
        writer.acknowledged.len(),
        writer.next - writer.acknowledged.len()
    );
}

#[test]
fn a_full_disk_stops_writes_and_nothing_else() {
    run("8MiB");
}

/// The reserve is off, so writes fail where the system fails them: in the middle.
#[test]
fn a_disk_full_to_the_last_byte_loses_nothing() {
    run("0");
}
