//! How errors read: every code, and errors with places.

use super::*;

const PIPE: Look = Look {
    terminal: false,
    color: false,
    width: 80,
};
const TERMINAL: Look = Look {
    terminal: true,
    color: false,
    width: 80,
};

const FILE: &str = "\
name: orders
table: public.orders
operatons:
  - drop_column: { column: note }
";

fn misspelt() -> Failure {
    let errors = crossfade_plan::file::PlanFile::parse(FILE).expect_err("a key is misspelt");
    plan_file_failure(&errors, "orders.yaml", FILE)
}

#[test]
fn every_code_reads_well() {
    let texts: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let failure = Failure::new(*code, "what happened in this case");
            format!(
                "exit {}\n{}",
                failure.exit().code(),
                as_text(&failure, PIPE)
            )
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn every_code_fits_80_columns_and_says_state_and_next_step() {
    for code in Code::ALL {
        let page = code.page();
        let failure = Failure::new(*code, "what happened in this case");
        for look in [PIPE, TERMINAL] {
            let text = as_text(&failure, look);
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", page.code);
            }
            // However the lines are broken.
            let words: Vec<_> = text.split_whitespace().collect();
            let text = words.join(" ");
            for part in [page.code, page.title, "help:", page.next, page.state] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}

#[test]
fn a_plan_file_is_shown_around_its_errors() {
    insta::assert_snapshot!("a_plan_file_on_a_pipe", as_text(&misspelt(), PIPE));
    insta::assert_snapshot!("a_plan_file_on_a_terminal", as_text(&misspelt(), TERMINAL));
}

#[test]
fn colours_are_only_used_where_they_are_wanted() {
    assert!(!as_text(&misspelt(), TERMINAL).contains('\u{1b}'));
    assert!(
        as_text(
            &misspelt(),
            Look {
                color: true,
                ..TERMINAL
            }
        )
        .contains('\u{1b}')
    );
}

#[test]
fn an_error_is_one_object_for_programs() {
    insta::assert_snapshot!(as_json(&misspelt()));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let words = "a long explanation ".repeat(20);
    let failure = Failure::new(Code::Passing, words.trim());
    let text = as_text(&failure, PIPE);
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}
