//! Finding the server's programs, and running those that end by themselves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::SUPERUSER;
use super::directory::Directory;
use super::error::ClusterError;

/// Programs that every use needs. Some packagings ship little more than these.
const REQUIRED: [&str; 2] = ["initdb", "postgres"];

/// Where Debian keeps one directory per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The bin directory of an installed server.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// `CROSSFADE_PG_BIN`, else `pg_config --bindir`, else the newest Debian package,
    /// else the search path.
    pub(super) fn find() -> Result<Self, ClusterError> {
        if let Some(directory) = std::env::var_os("CROSSFADE_PG_BIN") {
            // The programs run in another directory than ours.
            let directory = std::path::absolute(&directory)
                .map_err(ClusterError::io("find", PathBuf::from(directory)))?;
            return Self::named(directory);
        }
        let mut searched = Vec::new();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = pg_config()
            .into_iter()
            .chain(newest_first(Path::new(DEBIAN)))
            .chain(std::env::split_paths(&path))
            .filter(|directory| directory.is_absolute());
        for directory in candidates {
            if missing(&directory).is_none() {
                return Ok(Self { directory });
            }
            searched.push(directory);
        }
        // Named even if it does not exist: a reader then knows where packages go.
        searched.insert(0, PathBuf::from(DEBIAN));
        Err(ClusterError::NoBinaries { searched })
    }

    fn named(directory: PathBuf) -> Result<Self, ClusterError> {
        match missing(&directory) {
            None => Ok(Self { directory }),
            Some(program) => Err(ClusterError::NotABinDirectory { directory, program }),
        }
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    pub(super) async fn initdb(
        &self,
        directory: &Directory,
        data: &Path,
        password: &str,
    ) -> Result<(), ClusterError> {
        let password_file = directory.path().join("password");
        directory.write_private(&password_file, password)?;
        let mut command = directory.command(&self.directory.join("initdb"));
        command
            .arg("--pgdata")
            .arg(data)
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pwfile")
            .arg(&password_file)
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--data-checksums", "--no-sync", "--no-instructions"]);
        let result = run("initdb", command).await;
        fs::remove_file(&password_file).map_err(ClusterError::io("remove", password_file))?;
        result
    }

    pub(super) async fn pg_basebackup(
        &self,
        directory: &Directory,
        configure: impl FnOnce(&mut Command),
    ) -> Result<(), ClusterError> {
        let program = self.directory.join("pg_basebackup");
        if !is_executable(&program) {
            return Err(ClusterError::NoProgram {
                directory: self.directory.clone(),
                program: "pg_basebackup",
            });
        }
        let mut command = directory.command(&program);
        configure(&mut command);
        run("pg_basebackup", command).await
    }
}

async fn run(program: &'static str, mut command: Command) -> Result<(), ClusterError> {
    command.stdin(Stdio::null());
    let path = PathBuf::from(command.get_program());
    let mut command = tokio::process::Command::from(command);
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(ClusterError::io("run", path))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::Program {
        program,
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(directory.trim_end()))
}

/// `<root>/<major>/bin`, the highest major first.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
        .into_iter()
        .map(|major| root.join(major.to_string()).join("bin"))
        .collect()
}

/// The first required program that is not in `directory`.
fn missing(directory: &Path) -> Option<&'static str> {
    REQUIRED
        .into_iter()
        .find(|program| !is_executable(&directory.join(program)))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_major_comes_first() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        for name in ["9", "17", "16", "common"] {
            fs::create_dir_all(root.path().join(name).join("bin"))?;
        }
        let found = newest_first(root.path());
        let expected = ["17", "16", "9"].map(|major| root.path().join(major).join("bin"));
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn a_named_directory_without_programs_is_refused() -> std::io::Result<()> {
        let empty = tempfile::tempdir()?;
        let error = Binaries::named(empty.path().to_owned()).expect_err("it is empty");
        let text = error.to_string();
        assert!(text.contains("CROSSFADE_PG_BIN"), "{text}");
        assert!(text.contains("`initdb`"), "{text}");
        assert!(text.contains(&*empty.path().to_string_lossy()), "{text}");
        Ok(())
    }
}
