//! The order of the locks: an application that writes is never the victim of a deadlock.

use crossfade_testkit::Result;

use crate::way::{BOTH_WAYS, Command, DONE, ITEMS, WIDEN, Way};

/// The holder has read the table and goes on to write it, which writes the mirror too. With the
/// locks in the other order, the swap would hold the mirror by then and wait for the holder: a
/// deadlock, and the application, which looks for one after 20 ms, its victim.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_goes_on_writing_is_never_a_victim() -> Result<()> {
    let way = Way::verified(ITEMS, &[WIDEN]).await?;
    for command in BOTH_WAYS {
        let queued = way.queued(command).await?;
        queued
            .holder
            .run(
                "update public.items set n = n + 1 where id = 1; \
                 insert into public.items (v) values ('late'); \
                 delete from public.items where id = 2; \
                 update public.items set n = n + 1 where id = 1; \
                 commit",
            )
            .await?;
        assert_eq!(queued.command.await??, DONE);
        if matches!(command, Command::Cutover) {
            way.assert_both_sides_alike().await?;
        }
    }
    Ok(())
}
