//! On a terminal: questions before what cannot be undone, and lines that fit it.

use crossfade_testkit::Result;

use crate::scene::{PLAN, Scene};

/// A scene in which a migration has been cut over.
fn cut_over(scene: &Scene) -> Result<()> {
    scene.up_to("cutover")
}

fn stage(scene: &Scene) -> Result<String> {
    Ok(scene.status()?["stage"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_is_the_answer_unless_somebody_says_yes() -> Result<()> {
    let scene = Scene::create(10).await?;
    cut_over(&scene)?;
    // A line that is empty, one that is something else, and the end of the input.
    for answer in ["\n", "n\n", "yesterday\n", "\u{4}"] {
        for command in [
            "contract orders",
            "rollback orders",
            "run orders --to contract",
        ] {
            let run = scene.program(command).on_terminal(80, answer)?;
            assert_eq!(run.code, Some(2), "{command}: {run:?}");
            for text in ["Go on? [y/N]", "E0018", "not confirmed"] {
                assert!(run.stdout.contains(text), "{command}: {run:?}");
            }
            assert_eq!(stage(&scene)?, "cut_over", "{command}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_goes_on() -> Result<()> {
    let scene = Scene::create(10).await?;
    cut_over(&scene)?;
    let run = scene.program("rollback orders").on_terminal(80, "y\n")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stdout
            .contains("rollback of orders swaps the tables back"),
        "{run:?}"
    );
    assert_eq!(stage(&scene)?, "rolled_back");
    // Nothing is left to undo: nothing is asked.
    let run = scene.program("rollback orders").on_terminal(80, "")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(!run.stdout.contains("Go on?"), "{run:?}");

    let scene = Scene::with_plan(10, PLAN).await?;
    cut_over(&scene)?;
    let run = scene
        .program("contract orders")
        .on_terminal(80, " YES \n")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("orders__old"), "{run:?}");
    assert_eq!(stage(&scene)?, "contracted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_not_asked_of_a_pipe() -> Result<()> {
    let scene = Scene::create(10).await?;
    cut_over(&scene)?;
    let run = scene.program("contract orders").input(b"y\n").run()?;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--yes"), "{run:?}");
    assert_eq!(stage(&scene)?, "cut_over");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wider_than_a_narrow_terminal() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("verify")?;
    for (code, command) in [
        (0, "list"),
        (0, "status"),
        (0, "history orders"),
        (0, "verify orders"),
        (0, "pause orders"),
        (0, "resume orders"),
        (0, "set orders batch_size=400"),
        (7, "preflight orders"),
        (2, "rollback nothing"),
        (2, "plan nowhere.yaml"),
    ] {
        let run = scene
            .program(command)
            .env("NO_COLOR", "1")
            .on_terminal(40, "")?;
        assert_eq!(run.code, Some(code), "{command}: {run:?}");
        for line in run.stdout.lines() {
            let line = line.trim_end_matches('\r');
            // The progress is drawn over by control sequences.
            if !line.contains('\u{1b}') {
                assert!(line.chars().count() <= 40, "{command}: {line:?}");
            }
        }
    }
    // Values stay whole, so that they can be copied.
    let list = scene.program("list").on_terminal(40, "")?;
    assert!(list.stdout.contains("\"public\".\"orders\""), "{list:?}");
    Ok(())
}
