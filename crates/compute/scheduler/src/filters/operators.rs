//! The operators of extra specs: what a host has, compared with what is wanted.

/// Nova's operators, the first word of the requirement. `=` means "at least"; without an operator
/// the texts must be equal.
pub fn satisfies(value: &str, requirement: &str) -> bool {
    let mut words = requirement.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let one = rest.first().copied().unwrap_or_default();
    let numbers = || Some((value.parse::<f64>().ok()?, one.parse::<f64>().ok()?));
    match first {
        "=" | ">=" => numbers().is_some_and(|(has, wanted)| has >= wanted),
        "==" => numbers().is_some_and(|(has, wanted)| has == wanted),
        "!=" => numbers().is_some_and(|(has, wanted)| has != wanted),
        "<=" => numbers().is_some_and(|(has, wanted)| has <= wanted),
        "s==" => value == one,
        "s!=" => value != one,
        "s<" => value < one,
        "s<=" => value <= one,
        "s>" => value > one,
        "s>=" => value >= one,
        "<in>" => value.contains(one),
        "<all-in>" => rest.iter().all(|word| value.contains(word)),
        "<or>" => rest
            .iter()
            .filter(|word| **word != "<or>")
            .any(|word| *word == value),
        _ => value == requirement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_mean_what_they_mean_in_nova() {
        for (value, requirement, fits) in [
            ("8", "= 4", true),
            ("3", ">= 4", false),
            ("QEMU", "QEMU", true),
            ("QEMU", "s== QEMU", true),
            ("abc", "<in> b", true),
            ("sse avx", "<all-in> sse avx", true),
            ("b", "<or> a <or> b", true),
            ("c", "<or> a <or> b", false),
            ("x", "= 4", false),
        ] {
            assert_eq!(satisfies(value, requirement), fits, "{value} {requirement}");
        }
    }
}
