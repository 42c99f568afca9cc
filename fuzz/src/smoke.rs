//! A fuzzer for every day: the committed corpus, and a fixed number of mutations of it.
//!
//! It runs within the ordinary tests, so it must take the same inputs each time and end soon; the real
//! fuzzer looks for new ones.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Gives `target` every file of a folder, below it too, and `mutations` of each.
///
/// # Panics
/// As the target does, after the input has been shown.
pub(crate) fn run(folder: &Path, mutations: usize, target: fn(&[u8])) {
    let corpus = files(folder);
    assert!(corpus.len() > 10, "a corpus in {}", folder.display());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for seed in &corpus {
        check(seed, target);
        for _ in 0..mutations {
            let other = &corpus[random.below(corpus.len())];
            check(&mutated(seed, other, &mut random), target);
        }
    }
}

fn check(input: &[u8], target: fn(&[u8])) {
    // The hook has told by then what is wrong.
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(outcome.is_ok(), "the input was {}", input.escape_ascii());
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the corpus")
        .map(|item| item.expect("an item of the corpus").path())
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| match path.is_dir() {
        true => files(path),
        false => vec![fs::read(path).expect("a file of the corpus")],
    };
    paths.iter().flat_map(read).collect()
}

/// A few small changes at random places, of the kinds that parsers trip over.
fn mutated(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(input.len() + 1);
        match random.below(5) {
            0 => input.truncate(at),
            1 => input.insert(at, LIKELY[random.below(LIKELY.len())]),
            2 if at < input.len() => input[at] = LIKELY[random.below(LIKELY.len())],
            3 if at < input.len() => drop(input.remove(at)),
            _ => {
                let from = random.below(other.len() + 1);
                let more = other[from..].iter().take(random.below(40));
                input.splice(at..at, more.copied());
            }
        }
    }
    input
}

/// Bytes that mean something to one grammar or another, and some that never should.
const LIKELY: &[u8] = b"\r\n\0 \t/.%2fF,;:=-\"\\*?#09WQq\x7f\x80\xff";

/// xorshift64: enough to spread mutations, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
