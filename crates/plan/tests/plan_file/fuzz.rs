//! Any text is either a plan or refused with a place in the text; nothing panics.

use crossfade_plan::file::PlanFile;
use proptest::prelude::*;

use super::FULL;

/// Reads a text, and checks that what is refused has a place within it.
fn read(text: &str) -> Result<(), TestCaseError> {
    match PlanFile::parse(text) {
        Ok(parsed) => {
            let again = PlanFile::parse(&parsed.plan.canonical_json());
            prop_assert_eq!(again.map(|again| again.plan), Ok(parsed.plan));
        }
        Err(errors) => {
            for error in errors.iter() {
                prop_assert!(error.line() >= 1 && error.column() >= 1);
                prop_assert!(
                    text.get(error.span()).is_some(),
                    "{:?} of {:?}",
                    error,
                    text
                );
                prop_assert!(!error.message().is_empty());
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn any_yaml_like_text(text in "(?s)[-a-z0-9:,{}\\[\\]\"'|>&*!#%@<~?. \n\tä😀]{0,200}") {
        read(&text)?;
    }

    #[test]
    fn a_mutated_plan(
        at in 0..FULL.len(),
        len in 0..20_usize,
        insert in "(?s)([-a-z0-9:,{}\\[\\]\"'|>&*!#%@<~?. \n\tä😀]{0,6}|off|auto|null|-1|1e999|99999999999999999999|\"\"|\u{0}|[a-z_]{1,70})",
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        let end = (at + len).min(bytes.len());
        bytes.splice(at..end, insert.bytes());
        if let Ok(text) = String::from_utf8(bytes) {
            read(&text)?;
        }
    }

    #[test]
    fn a_truncated_plan(end in 0..FULL.len()) {
        if let Some(text) = FULL.get(..end) {
            read(text)?;
        }
    }

    #[test]
    fn a_plan_with_lines_in_another_order(lines in Just(FULL.lines().collect::<Vec<_>>()).prop_shuffle()) {
        read(&lines.join("\n"))?;
    }
}

#[test]
fn deep_nesting_and_alias_bombs_end_soon() -> Result<(), TestCaseError> {
    read(&"[".repeat(100_000))?;
    read(&"{a: ".repeat(100_000))?;
    read(&"- ".repeat(100_000))?;
    read(&format!("name: {}", "x".repeat(2 << 20)))?;
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(9);
        bomb = format!("{bomb}a{level}: &a{level} [{alias}]\n");
    }
    read(&bomb)?;
    read(&super::with_lines(&format!(
        "metadata:\n  {}",
        bomb.trim_end().replace('\n', "\n  ")
    )))
}
