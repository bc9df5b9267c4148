//! Files that are made from others: compared with what they are made of, and written anew by `UPDATE=1`.

use std::path::Path;

/// Compares a file of the workspace with what it should be.
pub fn assert_generated(path: &str, made: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let pairs = kept.lines().zip(made.lines());
    let same = pairs.take_while(|(old, new)| old == new).count();
    let of = |text: &str| text.lines().nth(same).unwrap_or_default().to_owned();
    assert!(
        kept == made,
        "{path} is stale from line {line} on, {kept:?} should be {made:?}: run `UPDATE=1 cargo test --test it`",
        line = same + 1,
        kept = of(&kept),
        made = of(made),
    );
}
