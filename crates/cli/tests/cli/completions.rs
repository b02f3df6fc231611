//! What is generated.

use crossfade_testkit::Result;

use crate::program::Program;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() -> Result<()> {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = Program::new("completions").argument(shell).run()?;
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(run.stdout.contains("approve"), "{shell}");
    }
    Ok(())
}

#[test]
fn the_schema_of_plan_files_is_printed() -> Result<()> {
    let schema = Program::new("schema").run()?.json()?;
    assert_eq!(schema, crossfade_plan::file::PlanFile::json_schema());
    Ok(())
}

#[test]
fn what_needs_no_settings_does_not_fail_by_them() -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("crossfade.toml"), "no settings")?;
    for line in ["schema", "completions bash", "--version"] {
        assert_eq!(
            Program::new(line).directory(directory.path()).run()?.code,
            Some(0),
            "{line}"
        );
    }
    assert_eq!(
        Program::new("list").directory(directory.path()).run()?.code,
        Some(2)
    );
    Ok(())
}
