//! The word that was probably meant.
//!
//! It must never propose a word that is as far off as any other would be.

/// The nearest of `words`, if it is near: for each three letters, one may be wrong.
pub(crate) fn nearest<'a>(
    given: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    let distance = |word: &str| {
        let word = word.replace('-', "_");
        strsim::damerau_levenshtein(&given, &word)
    };
    let all = words.into_iter().map(|word| (distance(word), word));
    let (wrong, word) = all.min_by_key(|(wrong, _)| *wrong)?;
    (wrong <= given.chars().count().max(3) / 3).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_understood_and_other_words_are_not() {
        let words = ["max_connections", "max_egress", "min_rate", "marginal-cost"];
        for (given, meant) in [
            ("max_conections", Some("max_connections")),
            ("max-connections", Some("max_connections")),
            ("MAX_EGRESS", Some("max_egress")),
            ("min_raet", Some("min_rate")),
            ("marginal_cost", Some("marginal-cost")),
            ("bandwidth", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, words), meant, "{given}");
        }
        assert_eq!(nearest("a", []), None);
    }
}
